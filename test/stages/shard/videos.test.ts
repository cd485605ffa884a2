/** Frames of videos are pictures like others: packed once, and never on both sides of the split. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { ImagesFile, openRowsWriter, readRowsFile, type TokenRow } from "../../../src/artifacts/index.js";
import { METADATA, makeWorld, readSplit, runStage, type World } from "./world.js";

let world: World;
beforeEach(async () => {
  world = await makeWorld({ dialogues: 18, images: 18, rowsPerFile: 100 });
});
afterEach(() => rm(world.top, { recursive: true, force: true }));

it("of neighbouring dialogues that share a frame stay together, and all frames are packed", async () => {
  const path = join(world.rows.path, "rows-00000.arrow");
  const rows: TokenRow[] = [];
  for await (const row of readRowsFile(path)) rows.push(row);
  const hashes = [...new Set(rows.flatMap((row) => row.imageHashes))];
  expect(hashes).toHaveLength(18);
  const writer = await openRowsWriter(path, METADATA);
  for (const row of rows) {
    // Dialogues 3k, 3k + 1 and 3k + 2 show the frames 3k, 3k + 1 | 3k + 1, 3k + 2 | 3k + 2, 3k + 2 in place of images.
    const number = Number(row.dialogueId.replace(/\D/g, ""));
    const group = number - (number % 3);
    const shown = [number, Math.min(number + 1, group + 2)].map((at) => hashes[at]!);
    await writer.append({
      ...row,
      imageHashes: [],
      imageGridThw: new Int32Array(0),
      videoFrames: shown,
      videoFrameCounts: Int32Array.of(2),
      videoGridThw: Int32Array.of(1, 4, 6),
    });
  }
  await writer.close();
  const run = await runStage(world, { heldoutShare: 0.4 });
  expect(run.counts).toMatchObject({ kept: rows.length, images: 18, groups: 6 });
  const [train, heldout] = await Promise.all([readSplit(run.workDir, "train"), readSplit(run.workDir, "heldout")]);
  expect(heldout.length).toBeGreaterThan(0);
  const trained = new Set(train.flatMap((row) => row.videoFrames));
  expect(heldout.flatMap((row) => row.videoFrames).filter((hash) => trained.has(hash))).toEqual([]);
  const packed: string[] = [];
  const images = await ImagesFile.open(join(run.workDir, "images/images-00000-of-00001.arrow"));
  for await (const { hash } of images.readImages()) packed.push(hash);
  await images.close();
  expect(packed).toEqual([...hashes].sort());
});
