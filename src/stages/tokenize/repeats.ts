/** Drops rows that repeat earlier ones: identical rows, or rows whose screenshots look alike. */
import { createHash } from "node:crypto";
import type { TokenRow } from "../../artifacts/index.js";
import { DigestIndex } from "../../base/index.js";
import type { Assembled } from "./assemble.js";
import type { NearDuplicates } from "./near-duplicates.js";

const SAME = { reason: "duplicate", message: "the row has the ids, images and videos of an earlier one" };
const ALIKE = { reason: "near-duplicate", message: "earlier rows show screenshots that look like all of this row's" };

export class Repeats {
  private readonly seen: DigestIndex | undefined;

  /**
   * @param same - drop rows whose ids and images equal those of an earlier row
   * @param alike - undefined if near-duplicates are kept
   */
  constructor(
    same: boolean,
    private readonly alike: NearDuplicates | undefined,
  ) {
    this.seen = same ? new DigestIndex() : undefined;
  }

  /** @returns the dialogue without repeats. Rows keep their numbers among the dialogue's joined turns. */
  async remove({ rows, rejections, cut, lengths }: Assembled): Promise<Assembled> {
    if (this.seen === undefined && this.alike === undefined) return { rows, rejections, cut, lengths };
    const kept: TokenRow[] = [];
    const repeats: Assembled["rejections"] = [];
    for (const row of rows) {
      const repeat = this.isSame(row) ? SAME : (await this.alike?.isRepeat(row)) === true ? ALIKE : undefined;
      if (repeat === undefined) kept.push(row);
      else for (const turn of row.turns) repeats.push({ turn, ...repeat });
    }
    return { rows: kept, rejections: [...rejections, ...repeats], cut, lengths };
  }

  private isSame({ inputIds, imageHashes, videoFrames, lossMask }: TokenRow): boolean {
    if (this.seen === undefined) return false;
    const hash = createHash("sha256").update(inputIds).update(imageHashes.join()).update(lossMask);
    // The ids tell which frames belong to which video: they hold their times and runs.
    if (videoFrames.length > 0) hash.update(videoFrames.join());
    const before = this.seen.size;
    return this.seen.add(hash.digest()) < before;
  }
}
