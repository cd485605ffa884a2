/** Counts of a tokenize run. Turns are read, kept or rejected; rows are what kept turns were joined into. */
import type { Counts } from "../../artifacts/index.js";
import type { ReasonCounts } from "../../events/index.js";
import { LengthLoss } from "./length-loss.js";

export class Tally {
  dialogues = 0;
  read = 0;
  kept = 0;
  cut = 0;
  rows = 0;
  tokens = 0;
  supervisedTokens = 0;
  imageTokens = 0;
  images = 0;
  videoTokens = 0;
  videos = 0;
  longestRow = 0;
  readonly lengths = new LengthLoss();
  readonly rejected: ReasonCounts = {};

  reject(reason: string, turns: number): void {
    if (turns > 0) this.rejected[reason] = (this.rejected[reason] ?? 0) + turns;
  }

  counts(): Counts {
    const sorted = Object.fromEntries(Object.entries(this.rejected).sort(([a], [b]) => (a < b ? -1 : 1)));
    return {
      read: this.read,
      kept: this.kept,
      rejected: sorted,
      unit: "turns",
      dialogues: this.dialogues,
      rows: this.rows,
      cutAnswers: this.cut,
      tokens: this.tokens,
      supervisedTokens: this.supervisedTokens,
      imageTokens: this.imageTokens,
      images: this.images,
      ...(this.videos === 0 ? {} : { videoTokens: this.videoTokens, videos: this.videos }),
      longestRow: this.longestRow,
      lengthLoss: this.lengths.data(),
    };
  }
}
