/** Shards of rows without real pictures, enough to be planned and, where they show none, trained on. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { openRowsWriter, SPLITS, shardPath } from "../../../src/artifacts/index.js";
import type { InputArtifact } from "../../../src/stages/stage.js";
import type { Workbench } from "../tokenize/workbench.js";

const row = (index: number, length: number, pictures: boolean) => ({
  inputIds: Int32Array.from({ length }, (_, place) => place % 50),
  lossMask: Int8Array.from({ length }, (_, place) => (place >= length - 20 ? 1 : 0)),
  mmTokenTypeIds: new Int8Array(length),
  imageHashes: pictures ? ["0".repeat(64)] : [],
  imageGridThw: pictures ? Int32Array.of(1, 8, 12) : new Int32Array(0),
  videoFrames: [],
  videoFrameCounts: new Int32Array(0),
  videoGridThw: new Int32Array(0),
  dialogueId: `d${index}`,
  row: 0,
  turns: Int32Array.of(0),
  responseSpans: Int32Array.of(length - 20, length),
  tags: {},
});

/** Rows of these lengths, each with a response of 20 tokens. */
export function trainShards(
  bench: Workbench,
  lengths: { train: number[]; heldout: number[] },
  pictures = true,
): Promise<InputArtifact> {
  return bench.sealed("shards", { rows: { model: { ...bench.model.fingerprints } } }, async (directory) => {
    await mkdir(join(directory, "rows"));
    for (const split of SPLITS) {
      const writer = await openRowsWriter(join(directory, shardPath(split, 0, 1)), { schemaVersion: 1 });
      for (const [index, length] of lengths[split].entries()) await writer.append(row(index, length, pictures));
      await writer.close();
    }
  });
}
