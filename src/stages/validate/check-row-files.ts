/** Checks the files of a rows or shards artifact: fingerprints, every row, and the split. */
import { join } from "node:path";
import { openRowsFile, readRowsFile, SPLITS, shardPaths, type TokenRow, verifyFiles } from "../../artifacts/index.js";
import { type Generation, turnIds } from "../../dialogue/index.js";
import type { InputArtifact } from "../stage.js";
import { checkFingerprints } from "./check-fingerprints.js";
import { readGenerations } from "./check-generations.js";
import { hashesApart } from "./check-lineage.js";
import { checkRow } from "./check-rows.js";
import { checkShardImages } from "./check-shard-images.js";
import { compareIds } from "./compare-ids.js";
import type { Origins } from "./origins.js";
import type { Subject } from "./subject.js";

export async function checkRowFiles(
  subject: Subject,
  input: InputArtifact,
  generations: InputArtifact | undefined,
  origins: Origins,
  progress: (done: number) => void,
): Promise<void> {
  const names = rowPaths(input);
  await verifyFiles(input, names);
  const turns = generations === undefined ? null : new TurnFinder(readGenerations(generations.path, undefined));
  try {
    for (const name of names) {
      await checkMetadata(subject, input, "rows", name);
      for await (const row of readRowsFile(join(input.path, name))) {
        subject.counts.rows += 1;
        checkRow(subject, row, name);
        if (turns === null) origins.check(subject, row, name);
        else await checkOrigin(subject, row, name, turns);
        if (subject.counts.rows % 256 === 0) progress(subject.counts.rows);
      }
    }
  } finally {
    await turns?.close();
  }
  progress(subject.counts.rows);
}

/**
 * Shards are shuffled, so each row is compared with a digest of its origin. Held-out rows must share nothing with
 * training rows.
 */
export async function checkShardFiles(
  subject: Subject,
  input: InputArtifact,
  origins: Origins,
  progress: (done: number) => void,
): Promise<void> {
  const seen = { dialogues: new Set<string>(), images: new Set<string>() };
  const shown = new Map<string, string>();
  for (const split of SPLITS) {
    const names = shardPaths(pathsOf(input), split);
    await verifyFiles(input, names);
    for (const name of names) {
      await checkMetadata(subject, input, "shards", name);
      for await (const row of readRowsFile(join(input.path, name))) {
        subject.counts.shardRows += 1;
        checkRow(subject, row, name);
        origins.check(subject, row, name);
        for (const hash of [...row.imageHashes, ...row.videoFrames]) {
          if (!shown.has(hash)) shown.set(hash, row.dialogueId);
        }
        if (split === "train") {
          seen.dialogues.add(row.dialogueId);
          for (const hash of [...row.imageHashes, ...row.videoFrames]) seen.images.add(hash);
        } else checkSplit(subject, row, name, seen);
        if (subject.counts.shardRows % 256 === 0) progress(subject.counts.shardRows);
      }
    }
  }
  await checkShardImages(subject, input, shown);
  progress(subject.counts.shardRows);
}

export function pathsOf(input: InputArtifact): string[] {
  return input.manifest.files.map((file) => file.path);
}

/** The row files of a rows artifact. */
export function rowPaths(input: InputArtifact): string[] {
  return pathsOf(input).filter((path) => path.startsWith("rows-") && path.endsWith(".arrow"));
}

async function checkMetadata(
  subject: Subject,
  input: InputArtifact,
  artifact: "rows" | "shards",
  name: string,
): Promise<void> {
  const file = await openRowsFile(join(input.path, name));
  try {
    checkFingerprints(subject, file.metadata, artifact, name);
  } finally {
    await file.close();
  }
}

async function checkOrigin(subject: Subject, row: TokenRow, file: string, turns: TurnFinder): Promise<void> {
  subject.findings.look("lineage");
  const generation = await turns.find(row.dialogueId);
  if (generation !== undefined) return checkAgainstTurns(subject, row, generation);
  const message = `dialogue ${row.dialogueId} is in the rows, but not at its position in the given generations`;
  subject.findings.add({ check: "lineage", severity: "error", message, place: { id: row.dialogueId, file } });
}

function checkSplit(
  { findings }: Subject,
  row: TokenRow,
  file: string,
  seen: { dialogues: ReadonlySet<string>; images: ReadonlySet<string> },
): void {
  const place = { id: row.dialogueId, file };
  findings.look("split");
  if (seen.dialogues.has(row.dialogueId)) {
    findings.add({
      check: "split",
      severity: "error",
      message: `dialogue ${row.dialogueId} is trained on and held out`,
      place,
    });
  }
  const image = [...row.imageHashes, ...row.videoFrames].find((hash) => seen.images.has(hash));
  if (image !== undefined) {
    findings.add({ check: "split", severity: "error", message: `image ${image} is trained on and held out`, place });
  }
}

/** A row must repeat prompt and answer of every turn it supervises exactly; a truncated answer may end early. */
function checkAgainstTurns(subject: Subject, row: TokenRow, generation: Generation): void {
  const { counts, findings, spell } = subject;
  counts.rowsComparedWithTurns += 1;
  const ids = turnIds(generation.turns);
  const last = generation.turns[row.turns.at(-1) ?? -1];
  const apart = last === undefined ? null : hashesApart(row.imageHashes, last.imageHashes, ["rows", "generations"]);
  if (apart !== null) {
    const message = `row ${row.row} of dialogue ${row.dialogueId}: ${apart}`;
    findings.add({ check: "images", severity: "error", message, place: { id: row.dialogueId } });
  }
  for (const [place, turn] of row.turns.entries()) {
    const stored = ids[turn];
    const end = row.responseSpans[2 * place + 1]!;
    if (stored === undefined) continue;
    findings.look("row-ids");
    const whole = new Int32Array(stored.prompt.length + stored.response.length);
    whole.set(stored.prompt);
    whole.set(stored.response, stored.prompt.length);
    const expected = end > stored.prompt.length ? whole.subarray(0, end) : whole;
    const difference = compareIds(row.inputIds.subarray(0, end), expected, spell, ["the row", "the server's"]);
    if (difference === null) continue;
    findings.add({
      check: "row-ids",
      severity: "error",
      message: `row ${row.row} of dialogue ${row.dialogueId} differs from turn ${turn} as the server sent it, at id ${difference.index}`,
      place: { id: row.dialogueId, turn, index: difference.index },
      frame: difference.frame,
      window: difference.window,
    });
  }
}

/** Rows are in the order of the generations, so one pass over both files finds every turn while holding one dialogue. */
class TurnFinder {
  private current: Generation | undefined;

  constructor(private readonly generations: AsyncGenerator<Generation>) {}

  /** Undefined if no later dialogue of the generations has this id. */
  async find(id: string): Promise<Generation | undefined> {
    while (this.current?.id !== id) {
      const next = await this.generations.next();
      if (next.done === true) return undefined;
      this.current = next.value;
    }
    return this.current;
  }

  async close(): Promise<void> {
    await this.generations.return(undefined);
  }
}
