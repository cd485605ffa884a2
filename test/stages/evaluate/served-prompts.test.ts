/** The prompts put to a server with the draft: all but those of rows with videos, which are counted. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openRowsWriter, shardPath } from "../../../src/artifacts/index.js";
import { selectPrompts } from "../../../src/stages/evaluate/served-prompts.js";
import { scratchDirectory } from "../../scratch/scratch.js";
import { METADATA, makeRows } from "../shard/world.js";

let shards: string;
beforeEach(async () => {
  shards = scratchDirectory("served");
});
afterEach(() => rm(shards, { recursive: true, force: true }));

it("leave rows with videos out and say how many", async () => {
  const size = { dialogues: 4, images: 2, rowsPerFile: 50, tokens: 30, imageBytes: 200 };
  const rows = makeRows(size, ["a".repeat(64), "b".repeat(64)]);
  await mkdir(join(shards, "rows"));
  const writer = await openRowsWriter(join(shards, shardPath("heldout", 0, 1)), METADATA);
  for (const [index, row] of rows.entries()) {
    const video = { videoFrames: ["c", "d"], videoFrameCounts: Int32Array.of(2), videoGridThw: Int32Array.of(1, 4, 4) };
    await writer.append(index % 3 === 1 ? { ...row, ...video } : row);
  }
  await writer.close();
  const all = { shards, split: "heldout" as const, imagePadId: 99 };
  const { prompts, rowsWithVideos } = await selectPrompts({ ...all, limit: null });
  const left = rows.filter((_, index) => index % 3 !== 1);
  expect(rowsWithVideos).toBe(rows.length - left.length);
  expect(prompts.map(({ dialogueId, turn }) => [dialogueId, turn])).toEqual(
    left.map(({ dialogueId, turns }) => [dialogueId, turns[0]]),
  );
  expect(await selectPrompts({ ...all, limit: 2 })).toMatchObject({ prompts: [{}, {}], rowsWithVideos: 1 });
});
