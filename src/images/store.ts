/** Pictures by the hash of their content: `<root>/<first two digits>/<sha256>.png`, each written once. */
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DraftsmithError, fromErrno, sha256 } from "../base/index.js";
import type { CanonicalImage } from "./canonicalise.js";

/** Path of an image below the store's root, with forward slashes. */
export function imagePath(hash: string): string {
  return `${hash.slice(0, 2)}/${hash}.png`;
}

/**
 * Reads an image of a dialogues artifact or another store.
 * @throws DraftsmithError ARTIFACT_INVALID when it is missing or its bytes are not those of its name
 */
export async function readStoredImage(root: string, hash: string): Promise<Buffer> {
  const file = join(root, imagePath(hash));
  let png: Buffer;
  try {
    png = await readFile(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw fromErrno(error, file);
    throw new DraftsmithError("ARTIFACT_INVALID", `the image ${hash} is missing from ${root}`, { location: { file } });
  }
  if (sha256(png) !== hash) {
    throw new DraftsmithError(
      "ARTIFACT_INVALID",
      `${file} is damaged: its content does not have the hash of its name`,
      {
        location: { file },
        hint: "run the import again",
      },
    );
  }
  return png;
}

export class ImageStore {
  private readonly root: string;
  /** Writes under way, so that the same picture in two rows is written once. */
  private readonly writing = new Map<string, Promise<void>>();

  constructor(root: string) {
    this.root = root;
  }

  fileOf(hash: string): string {
    return join(this.root, imagePath(hash));
  }

  /** Whether the image is there and whole. Reads it: after a power failure a file may have its name but not its bytes. */
  async holds(hash: string): Promise<boolean> {
    try {
      return sha256(await readFile(this.fileOf(hash))) === hash;
    } catch {
      return false;
    }
  }

  /**
   * Under its name there is never a part of an image. Not synced: whoever seals the directory does that, and `holds`
   * finds out what a power failure took.
   * @throws DraftsmithError DISK_FULL, DISK_FAILED
   */
  put(image: Pick<CanonicalImage, "hash" | "png">): Promise<void> {
    const { hash } = image;
    const under = this.writing.get(hash);
    if (under !== undefined) return under;
    const writing = this.write(image).finally(() => this.writing.delete(hash));
    this.writing.set(hash, writing);
    return writing;
  }

  private async write({ hash, png }: Pick<CanonicalImage, "hash" | "png">): Promise<void> {
    if (await this.holds(hash)) return;
    const file = this.fileOf(hash);
    try {
      await mkdir(join(this.root, hash.slice(0, 2)), { recursive: true });
      await writeFile(`${file}.partial`, png);
      await rename(`${file}.partial`, file);
    } catch (error) {
      await rm(`${file}.partial`, { force: true });
      throw fromErrno(error, file, { use: "write" });
    }
  }
}
