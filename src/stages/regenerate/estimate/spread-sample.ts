/** Some dialogues from all over a file, without reading all of it. */
import { open } from "node:fs/promises";
import { onDisk, readJsonl } from "../../../artifacts/index.js";
import { parseJson } from "../../../base/index.js";
import { type Dialogue, dialogueSchema } from "../../../dialogue/index.js";

/** Files up to this size are read whole; of larger ones this many lines are sampled. */
const WHOLE_BYTES = 4 << 20;
const SAMPLE = 256;
const FIRST_READ = 64 << 10;
const LONGEST_LINE = 16 << 20;
const NEWLINE = 10;

export interface Sampled {
  dialogue: Dialogue;
  /** How many lines it represents, relative to the others. */
  weight: number;
}

/**
 * The dialogues that evenly spread places of the file fall into. Places fall into long lines in proportion to their
 * length, so each is weighted by its inverse: sums then represent all lines equally.
 *
 * @throws DraftsmithError INPUT_MISSING, DISK_FAILED
 */
export async function* spreadSample(path: string): AsyncGenerator<Sampled> {
  const handle = await onDisk(path, () => open(path, "r"));
  try {
    const { size } = await onDisk(path, () => handle.stat());
    if (size <= WHOLE_BYTES) {
      for await (const { value } of readJsonl(path)) yield* shaped(value, 1);
      return;
    }
    for (let k = 0; k < SAMPLE; k += 1) {
      const line = await onDisk(path, () => lineAt(handle, Math.floor((size * (k + 0.5)) / SAMPLE)));
      if (line === undefined || line.length === 0) continue;
      try {
        yield* shaped(parseJson(line.toString("utf8")), 1 / line.length);
      } catch {
        // The run itself reports the line; an estimate does without it.
      }
    }
  } finally {
    await handle.close();
  }
}

function* shaped(value: unknown, weight: number): Generator<Sampled> {
  const parsed = dialogueSchema.safeParse(value);
  if (parsed.success) yield { dialogue: parsed.data, weight };
}

type Handle = Awaited<ReturnType<typeof open>>;

/** The line that holds the byte at `offset`; undefined where it is cut off or very long. */
async function lineAt(handle: Handle, offset: number): Promise<Buffer | undefined> {
  for (let reach = FIRST_READ; reach <= LONGEST_LINE; reach *= 4) {
    const from = Math.max(0, offset - reach);
    const block = Buffer.allocUnsafe(offset - from + reach);
    const { bytesRead } = await handle.read(block, 0, block.length, from);
    const filled = block.subarray(0, bytesRead);
    const here = offset - from;
    // A newline belongs to the line that it ends.
    const start = here === 0 ? 0 : filled.lastIndexOf(NEWLINE, here - 1) + 1;
    const end = filled.indexOf(NEWLINE, here);
    if (end >= 0 && (start > 0 || from === 0)) return filled.subarray(start, end);
    if (from === 0 && bytesRead < block.length) return undefined;
  }
  return undefined;
}
