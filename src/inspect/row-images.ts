/** Writes the images of a row into a directory, numbered in the order of the sequence. */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ImagesFile, type StoredImage, type TokenRow } from "../artifacts/index.js";
import { DraftsmithError, fromErrno } from "../base/index.js";

/** File names are made of it: anything else in a shard could name a path. */
const HASH = /^[0-9a-f]{64}$/;

/**
 * @returns the paths written, frames of videos after images
 * @throws DraftsmithError ARTIFACT_INVALID (a hash that is none, an image that is missing or damaged), OUTPUT_INVALID,
 * DISK_FULL
 */
export async function writeImages(row: TokenRow, imageFiles: readonly string[], directory: string): Promise<string[]> {
  const hashes = [...row.imageHashes, ...row.videoFrames];
  const strange = hashes.find((hash) => !HASH.test(hash));
  if (strange !== undefined) throw invalid(row, `its image ${JSON.stringify(strange)} is not named by a sha256`);
  const found = await findImages(new Set(hashes), imageFiles);
  const paths: string[] = [];
  try {
    await mkdir(directory, { recursive: true });
    for (const [k, hash] of hashes.entries()) {
      const image = found.get(hash);
      if (image === undefined) throw invalid(row, `its image ${hash} is in none of the image files`);
      const path = join(directory, `${String(k + 1).padStart(2, "0")}-${hash.slice(0, 16)}.png`);
      // A link of this name must not lead the bytes elsewhere.
      await rm(path, { force: true });
      await writeFile(path, image.png, { flag: "wx" });
      paths.push(path);
    }
  } catch (error) {
    throw error instanceof DraftsmithError ? error : fromErrno(error, directory, { use: "write" });
  }
  return paths;
}

async function findImages(
  wanted: ReadonlySet<string>,
  imageFiles: readonly string[],
): Promise<Map<string, StoredImage>> {
  const found = new Map<string, StoredImage>();
  for (const path of imageFiles) {
    if (found.size === wanted.size) break;
    const file = await ImagesFile.open(path);
    try {
      for (const hash of wanted) {
        const image = found.has(hash) ? undefined : await file.find(hash);
        if (image !== undefined) found.set(hash, image);
      }
    } finally {
      await file.close();
    }
  }
  return found;
}

function invalid({ dialogueId, row }: TokenRow, why: string): DraftsmithError {
  return new DraftsmithError("ARTIFACT_INVALID", `row ${dialogueId}/${row}: ${why}`, {
    location: { id: dialogueId },
    hint: "rows artifacts hold no images: name the shards",
  });
}
