/**
 * Finds rows whose screenshots look like those of earlier rows. A row is dropped if each of its images (video frames
 * included) resembles an image that enough earlier rows showed: a single new screen keeps it. The first row in input order
 * is kept.
 */
import { join } from "node:path";
import type { TokenRow } from "../../artifacts/index.js";
import { bitCount, differenceHash, HASH_BITS, HASH_WORDS, hashDistance, readStoredImage } from "../../images/index.js";

export interface NearDuplicateRules {
  /** Bits of 256 in which two similar images may differ. */
  distance: number;
  /** Rows that may show one screen. */
  maxRows: number;
}

type Shown = Pick<TokenRow, "imageHashes" | "videoFrames">;

/** The first of the screens that resemble each other represents them all. */
interface Screen {
  hash: Uint32Array;
  rows: number;
}

export class NearDuplicates {
  /** Keyed by population count, which differs by at most the distance between two hashes. */
  private readonly byBits: Screen[][] = Array.from({ length: HASH_BITS + 1 }, () => []);
  /** For every image seen, since many rows may show the same one: about 150 bytes each. */
  private readonly hashes = new Map<string, Promise<Uint32Array>>();

  /** @param store - the directory of the dialogues artifact */
  constructor(
    private readonly store: string,
    private readonly rules: NearDuplicateRules,
  ) {}

  /** Starts reading a row's images, so that `isRepeat` does not have to wait for them. */
  prepare(row: Shown): void {
    // `isRepeat` awaits the same promise and reports the failure.
    for (const hash of picturesOfRow(row)) this.hashOf(hash).catch(() => undefined);
  }

  /** Whether the row shows nothing new. Only rows that are kept are remembered. */
  async isRepeat(row: Shown): Promise<boolean> {
    const pictures = picturesOfRow(row);
    if (pictures.size === 0) return false;
    const hashes = await Promise.all([...pictures].map((hash) => this.hashOf(hash)));
    const screens = hashes.map((hash) => this.find(hash));
    if (screens.every((screen) => screen !== undefined && screen.rows >= this.rules.maxRows)) return true;
    // Two images of a row may resemble each other; they count as one screen.
    const shown = new Set<Screen>();
    for (const hash of hashes) shown.add(this.find(hash) ?? this.add(hash));
    for (const screen of shown) screen.rows += 1;
    return false;
  }

  private hashOf(image: string): Promise<Uint32Array> {
    let hash = this.hashes.get(image);
    if (hash === undefined) {
      hash = readStoredImage(join(this.store, "images"), image).then(differenceHash);
      this.hashes.set(image, hash);
    }
    return hash;
  }

  /** The nearest screen within the distance; the first found if two are equally near. */
  private find(hash: Uint32Array): Screen | undefined {
    const { distance } = this.rules;
    const bits = bitsOf(hash);
    let best: Screen | undefined;
    let bestDistance = distance + 1;
    // Search outwards from the same population count: once a near screen is found, farther counts can be skipped.
    for (let away = 0; away < bestDistance; away += 1) {
      for (const at of away === 0 ? [bits] : [bits - away, bits + away]) {
        for (const screen of this.byBits[at] ?? []) {
          const between = hashDistance(hash, screen.hash);
          if (between >= bestDistance) continue;
          best = screen;
          bestDistance = between;
        }
      }
    }
    return best;
  }

  private add(hash: Uint32Array): Screen {
    const screen = { hash, rows: 0 };
    this.byBits[bitsOf(hash)]!.push(screen);
    return screen;
  }
}

function picturesOfRow({ imageHashes, videoFrames }: Shown): Set<string> {
  return new Set([...imageHashes, ...videoFrames]);
}

function bitsOf(hash: Uint32Array): number {
  let bits = 0;
  for (let word = 0; word < HASH_WORDS; word += 1) bits += bitCount(hash[word]!);
  return bits;
}
