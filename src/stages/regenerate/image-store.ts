/** Reads the pictures of a dialogues artifact as base64, keeping the last ones: each turn sends its history again. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DraftsmithError, fromErrno } from "../../base/index.js";
import { type EncodedImage, encodedImage } from "../../sglang/index.js";

const DEFAULT_CACHE_BYTES = 64 << 20;

export class ImageStore {
  /** Insertion order is age: a hit moves to the end. */
  private readonly cache = new Map<string, EncodedImage>();
  private cachedBytes = 0;
  /** Under way: dialogues that want the same picture at the same time share it. */
  private readonly reading = new Map<string, Promise<EncodedImage>>();

  /** @param root - the artifact's directory */
  constructor(
    private readonly root: string,
    private readonly cacheBytes = DEFAULT_CACHE_BYTES,
  ) {}

  /**
   * The picture itself where it is kept: most questions then wait for nothing.
   *
   * @throws DraftsmithError ARTIFACT_INVALID - the artifact lacks a picture that a dialogue names.
   */
  read(hash: string): EncodedImage | Promise<EncodedImage> {
    const known = this.cache.get(hash);
    if (known !== undefined) {
      this.cache.delete(hash);
      this.cache.set(hash, known);
      return known;
    }
    let reading = this.reading.get(hash);
    if (reading === undefined) {
      reading = this.load(hash).finally(() => this.reading.delete(hash));
      this.reading.set(hash, reading);
    }
    return reading;
  }

  private async load(hash: string): Promise<EncodedImage> {
    const path = join(this.root, "images", hash.slice(0, 2), `${hash}.png`);
    const png = await readFile(path).catch((error: unknown) => {
      const cause = fromErrno(error, path);
      if (cause instanceof DraftsmithError && cause.code !== "INPUT_MISSING") throw cause;
      throw new DraftsmithError("ARTIFACT_INVALID", `the dialogues name a picture that is missing: ${path}`, {
        cause,
        hint: "run the import again",
      });
    });
    const image = encodedImage(png);
    this.keep(hash, image);
    return image;
  }

  private keep(hash: string, image: EncodedImage): void {
    this.cache.set(hash, image);
    this.cachedBytes += image.base64.length;
    for (const [oldest, { base64 }] of this.cache) {
      if (this.cachedBytes <= this.cacheBytes) break;
      this.cache.delete(oldest);
      this.cachedBytes -= base64.length;
    }
  }
}
