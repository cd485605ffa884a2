/** Assembles all dialogues of the input on this thread or on workers, in input order either way. */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { isBlankLine, type Line, readLineBlocks } from "../../artifacts/index.js";
import { moduleBeside, stringifyJson, WorkerPool } from "../../base/index.js";
import type { ModelDirectory } from "../../model/index.js";
import { dialoguesIn, type InputArtifact } from "../stage.js";
import { type AssembledDialogue, Assembler } from "./assembler.js";
import type { TokenizeOptions } from "./options.js";
import { type Packed, unpack } from "./packed.js";
import type { ThreadData } from "./thread.js";

/** With fewer dialogues, the work is done before threads have started. */
const LEAST_FOR_THREADS = 20_000;
/**
 * On two cores, the threads of the tokenizer and of file I/O already use 1.3 to 1.5 cores; one more thread made the run
 * slower (0.92 of the rate from ids, 0.69 from fixed dialogues; bench.ts).
 */
const LEAST_CORES = 4;
/**
 * On 16 cores, more than four gain nothing: four give 1.5 times the rate from ids, 2.6 from fixed dialogues (bench-
 * threads.ts).
 */
const MOST_THREADS = 4;
/**
 * Size of one work item: some dozens of dialogues. Four times as much blocked the event loop for up to 75 ms with four
 * threads.
 */
const BLOCK_BYTES = 1 << 16;

export async function* assembledOf(
  options: TokenizeOptions,
  input: InputArtifact,
  model: ModelDirectory,
  limit: number | undefined,
): AsyncGenerator<AssembledDialogue> {
  const file = join(input.path, options.source === "ids" ? "generations.jsonl" : "dialogues.jsonl");
  const blocks = limited(readLineBlocks(file, { blockBytes: BLOCK_BYTES }), limit);
  const threads = threadsOf(options, Math.min(dialoguesIn(input) ?? Infinity, limit ?? Infinity));
  if (threads === 0) {
    const assembler = new Assembler(model, options, file);
    for await (const lines of blocks) yield* assembler.assemble(lines);
    return;
  }
  const { chatTemplateKwargs } = options;
  const data: ThreadData = {
    options: { ...options, chatTemplateKwargs: {} },
    chatTemplateKwargs: stringifyJson(chatTemplateKwargs),
    file,
  };
  const pool = new WorkerPool<Line[], Packed>(moduleBeside(import.meta.url, "thread"), data, threads);
  try {
    for await (const packed of pool.map(blocks)) yield* unpack(packed);
  } finally {
    await pool.close();
  }
}

/** This thread is busy writing files; the others get a core each. */
function threadsOf({ threads }: TokenizeOptions, dialogues: number): number {
  if (threads !== "auto") return threads;
  const cores = availableParallelism();
  return dialogues < LEAST_FOR_THREADS || cores < LEAST_CORES ? 0 : Math.min(MOST_THREADS, cores - 1);
}

/** The first `limit` lines that are not blank. */
async function* limited(blocks: AsyncIterable<Line[]>, limit = Number.POSITIVE_INFINITY): AsyncGenerator<Line[]> {
  let left = limit;
  for await (const lines of blocks) {
    if (left <= 0) return;
    if (lines.length <= left) {
      left -= lines.filter((line) => !isBlankLine(line)).length;
      yield lines;
      continue;
    }
    const taken: Line[] = [];
    for (const line of lines) {
      if (left <= 0) break;
      if (!isBlankLine(line)) left -= 1;
      taken.push(line);
    }
    yield taken;
  }
}
