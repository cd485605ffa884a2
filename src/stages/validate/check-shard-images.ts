/** Checks the image files of a shards artifact: every image that a row names is there, with the bytes of its hash. */
import { join } from "node:path";
import { ImagesFile, shardPaths } from "../../artifacts/index.js";
import { DraftsmithError } from "../../base/index.js";
import type { InputArtifact } from "../stage.js";
import type { Subject } from "./subject.js";

/**
 * @param named - the hashes that the rows name, with a dialogue that shows each
 * @throws DraftsmithError ARTIFACT_INVALID for a damaged file
 */
export async function checkShardImages(
  { findings }: Subject,
  input: InputArtifact,
  named: ReadonlyMap<string, string>,
): Promise<void> {
  const paths = shardPaths(
    input.manifest.files.map((file) => file.path),
    "images",
  );
  // Rows alone can be checked, too: other tools may write shards without images.
  if (paths.length === 0) return;
  const missing = new Map(named);
  for (const path of paths) {
    const file = await ImagesFile.open(join(input.path, path));
    try {
      for await (const { hash } of file.readImages()) {
        missing.delete(hash);
        findings.look("images");
      }
    } catch (error) {
      if (!(error instanceof DraftsmithError) || error.code !== "ARTIFACT_INVALID") throw error;
      findings.add({ check: "images", severity: "error", message: error.message, place: { file: path } });
    } finally {
      await file.close();
    }
  }
  for (const [hash, id] of missing) {
    const message = `image ${hash} of dialogue ${id} is in none of the shards' image files`;
    findings.add({ check: "images", severity: "error", message, place: { id } });
  }
}
