/** Readers let other work in, however long their caller computes over each row. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import {
  openRowsWriter,
  readChecked,
  readJsonLines,
  readJsonl,
  readRowsFile,
  type TokenRow,
} from "../../src/artifacts/index.js";
import { scratchDirectory } from "../scratch/scratch.js";

const ROWS = 100;
const ROW_MS = 2;

let root: string;
beforeAll(async () => {
  root = scratchDirectory("breath");
  await writeFile(join(root, "rows.jsonl"), Array.from({ length: ROWS }, (_, k) => `{"k":${k}}\n`).join(""));
  const writer = await openRowsWriter(join(root, "rows.arrow"), {});
  for (let row = 0; row < ROWS; row += 1) await writer.append(tokenRow(row));
  await writer.close();
});

function tokenRow(row: number): TokenRow {
  return {
    inputIds: Int32Array.of(1, 2),
    lossMask: Int8Array.of(0, 1),
    mmTokenTypeIds: Int8Array.of(0, 0),
    imageHashes: [],
    imageGridThw: new Int32Array(0),
    videoFrames: [],
    videoFrameCounts: new Int32Array(0),
    videoGridThw: new Int32Array(0),
    dialogueId: "d",
    row,
    turns: Int32Array.of(0),
    responseSpans: Int32Array.of(1, 2),
    tags: {},
  };
}

/** How often a timer of 1 ms came to its turn while each row was computed over. */
async function turnsDuring(rows: AsyncIterable<unknown>): Promise<number> {
  let turns = 0;
  let timer: NodeJS.Timeout | undefined;
  let read = 0;
  for await (const _ of rows) {
    // Opening and closing the file is not what is looked at.
    timer ??= setInterval(() => {
      turns += 1;
    }, 1);
    read += 1;
    for (const end = performance.now() + ROW_MS; performance.now() < end; );
    if (read === ROWS) clearInterval(timer);
  }
  expect(read).toBe(ROWS);
  return turns;
}

describe("between rows other work is let in", () => {
  const lines = (): string => join(root, "rows.jsonl");
  it.each([
    ["readJsonl", () => readJsonl(lines())],
    ["readJsonLines", () => readJsonLines(lines())],
    ["readChecked", () => readChecked(lines(), z.strictObject({ k: z.number() }))],
    ["readRowsFile", () => readRowsFile(join(root, "rows.arrow"))],
  ])("by %s", async (_, read: () => AsyncIterable<unknown>) => {
    expect(await turnsDuring(read())).toBeGreaterThanOrEqual(5);
  });
});
