/** Reads the pictures of a dialogues artifact as base64, keeping the last ones: each turn sends its history again. */
import { join } from "node:path";
import type { EncodedImage, RequestImage } from "../../../sglang/index.js";
import { openPicture } from "./image-file.js";

const DEFAULT_CACHE_BYTES = 64 << 20;

export class RequestImages {
  /** Insertion order is age: a hit moves to the end. */
  private readonly cache = new Map<string, EncodedImage>();
  private cachedBytes = 0;
  /** Under way: dialogues that want the same picture at the same time share it. */
  private readonly reading = new Map<string, Promise<RequestImage>>();

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
  read(hash: string): EncodedImage | Promise<RequestImage> {
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

  private async load(hash: string): Promise<RequestImage> {
    const path = join(this.root, "images", hash.slice(0, 2), `${hash}.png`);
    const image = await openPicture(path);
    if ("base64" in image) this.keep(hash, image);
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
