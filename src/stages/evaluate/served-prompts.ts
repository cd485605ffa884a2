/** The prompts sent to the server: one for every supervised response of the chosen rows, with its images. */
import { ImagesFile, readRowsFile, type SplitName, shardFiles } from "../../artifacts/index.js";
import { type EncodedImage, encodedImage } from "../../sglang/index.js";
import { collapsePads } from "../../tokens/index.js";

export interface ServedPrompt {
  dialogueId: string;
  turn: number;
  /** One pad per image, as /generate expects. */
  inputIds: number[];
  imageHashes: string[];
  /** What the target answered without a draft, up to and including the stop token. */
  expected: Int32Array;
}

export interface PromptSelection {
  shards: string;
  split: SplitName;
  imagePadId: number;
  /** Only the first so many responses; null: all. */
  limit: number | null;
}

export interface SelectedPrompts {
  prompts: ServedPrompt[];
  /** Rows left out, since servers sample video frames by their own rules. */
  rowsWithVideos: number;
}

export async function selectPrompts({ shards, split, imagePadId, limit }: PromptSelection): Promise<SelectedPrompts> {
  const prompts: ServedPrompt[] = [];
  let rowsWithVideos = 0;
  for (const file of await shardFiles(shards, split)) {
    for await (const row of readRowsFile(file)) {
      if (row.videoFrames.length > 0) {
        rowsWithVideos += 1;
        continue;
      }
      for (let k = 0; 2 * k < row.responseSpans.length; k += 1) {
        if (limit !== null && prompts.length >= limit) return { prompts, rowsWithVideos };
        const [start, end] = [row.responseSpans[2 * k]!, row.responseSpans[2 * k + 1]!];
        const inputIds = collapsePads(row.inputIds.subarray(0, start), imagePadId);
        const pictures = inputIds.filter((id) => id === imagePadId).length;
        prompts.push({
          dialogueId: row.dialogueId,
          turn: row.turns[k]!,
          inputIds,
          imageHashes: row.imageHashes.slice(0, pictures),
          expected: row.inputIds.slice(start, end),
        });
      }
    }
  }
  return { prompts, rowsWithVideos };
}

/** The images that the prompts need, as base64. Other images of the shards are skipped. */
export async function readPictures(
  shards: string,
  prompts: readonly ServedPrompt[],
): Promise<Map<string, EncodedImage>> {
  const wanted = new Set(prompts.flatMap(({ imageHashes }) => imageHashes));
  const pictures = new Map<string, EncodedImage>();
  for (const path of await shardFiles(shards, "images")) {
    const file = await ImagesFile.open(path);
    try {
      for await (const { hash, png } of file.readImages()) {
        if (!wanted.has(hash)) continue;
        pictures.set(hash, encodedImage(png));
      }
    } finally {
      await file.close();
    }
  }
  return pictures;
}
