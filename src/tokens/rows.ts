/** Builds training sequences from turns: a turn whose prompt extends the row so far shares it with the turns before. */
import { commonPrefix } from "../dialogue/index.js";
import type { Turn, TurnVideo } from "./turns.js";

export interface Row {
  ids: Int32Array;
  /** Turns whose answers this row supervises. */
  turns: number[];
  /** start, end (exclusive) of each supervised answer, flat. */
  spans: number[];
  imageHashes: readonly string[];
  videos: readonly TurnVideo[];
}

/**
 * Joins a dialogue's turns. A prompt that starts with all ids and images of the row so far (prompt and answer of the
 * previous turn) extends that row. Where it does not, a new row starts: `history` left something out, or the template
 * rewrites history (drops reasoning, tokenizes text differently). So each answer is supervised once, after exactly the ids
 * and images of its own prompt.
 */
export function joinTurns(turns: readonly Turn[]): Row[] {
  const rows: Row[] = [];
  let row: Row | null = null;
  for (const { turn, prompt, response, imageHashes, videos } of turns) {
    const continues =
      row !== null &&
      commonPrefix(row.ids, prompt) === row.ids.length &&
      row.imageHashes.every((hash, at) => hash === imageHashes[at]);
    if (row === null || !continues) {
      row = { ids: prompt, turns: [], spans: [], imageHashes, videos };
      rows.push(row);
    }
    const ids = new Int32Array(prompt.length + response.length);
    ids.set(prompt);
    ids.set(response, prompt.length);
    row.ids = ids;
    row.turns.push(turn);
    row.spans.push(prompt.length, ids.length);
    row.imageHashes = imageHashes;
    row.videos = videos;
  }
  return rows;
}

/** 1 on every supervised id, 0 elsewhere. */
export function lossMask(length: number, spans: readonly number[]): Int8Array {
  const mask = new Int8Array(length);
  for (let i = 0; i < spans.length; i += 2) mask.fill(1, spans[i], spans[i + 1]);
  return mask;
}

export function supervisedTokens(spans: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < spans.length; i += 2) sum += spans[i + 1]! - spans[i]!;
  return sum;
}
