/**
 * Rows whose screenshots look like those of earlier rows. A row is left out when each of its pictures, frames of videos
 * among them, resembles a picture that enough earlier rows showed: one new screen is enough to keep it. The first in input
 * order stays.
 */
import { join } from "node:path";
import type { TokenRow } from "../../artifacts/index.js";
import { bitCount, differenceHash, HASH_BITS, HASH_WORDS, hashDistance, readStoredImage } from "../../images/index.js";

export interface NearDuplicateRules {
  /** Bits of the 256 in which two pictures may differ. */
  distance: number;
  /** Rows that may show one screen. */
  maxRows: number;
}

type Shown = Pick<TokenRow, "imageHashes" | "videoFrames">;

/** A screen that stands for all that resemble it: the first one. */
interface Screen {
  hash: Uint32Array;
  rows: number;
}

export class NearDuplicates {
  /** By the number of set bits: hashes within a distance differ by no more in that. */
  private readonly byBits: Screen[][] = Array.from({ length: HASH_BITS + 1 }, () => []);
  /** Of every picture met, since one picture is shown in many rows: about 150 bytes each. */
  private readonly hashes = new Map<string, Promise<Uint32Array>>();

  /** @param store - the directory of the dialogues artifact */
  constructor(
    private readonly store: string,
    private readonly rules: NearDuplicateRules,
  ) {}

  /** Begins to read a row's pictures, so that `isRepeat` need not wait long. */
  prepare(row: Shown): void {
    // A failure is told by `isRepeat`, which awaits the same promise.
    for (const hash of picturesOfRow(row)) this.hashOf(hash).catch(() => undefined);
  }

  /** Whether the row shows nothing new. Rows that are kept are remembered, those that are not leave no trace. */
  async isRepeat(row: Shown): Promise<boolean> {
    const pictures = picturesOfRow(row);
    if (pictures.size === 0) return false;
    const hashes = await Promise.all([...pictures].map((hash) => this.hashOf(hash)));
    const screens = hashes.map((hash) => this.find(hash));
    if (screens.every((screen) => screen !== undefined && screen.rows >= this.rules.maxRows)) return true;
    // Two pictures of a row may resemble each other: they are one screen, shown by one row.
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

  /** The nearest screen within the distance; the one found first where two are equally near. */
  private find(hash: Uint32Array): Screen | undefined {
    const { distance } = this.rules;
    const bits = bitsOf(hash);
    let best: Screen | undefined;
    let bestDistance = distance + 1;
    // From the same number of bits outwards: a nearer one is found sooner, and then further ones need not be looked at.
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
