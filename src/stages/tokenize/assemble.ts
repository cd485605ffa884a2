/** Turns a dialogue's turns into rows: applies the length policy, joins turns, builds masks. */
import type { TokenRow } from "../../artifacts/index.js";
import type { ModelDirectory } from "../../model/index.js";
import {
  fitTurn,
  joinTurns,
  lossMask,
  type Row,
  supervisedTokens,
  type Turn,
  TYPE_IMAGE,
  TYPE_VIDEO,
  tokenTypes,
} from "../../tokens/index.js";
import type { Candidates, Rejection } from "./candidates.js";
import type { TurnLength } from "./length-loss.js";
import type { TokenizeOptions } from "./options.js";

export interface Assembled {
  rows: TokenRow[];
  rejections: Rejection[];
  /** Answers truncated to maxLength. */
  cut: number;
  /** Each turn as the length policy found it. */
  lengths: TurnLength[];
}

export function assembleRows(
  candidates: Candidates,
  model: ModelDirectory,
  options: Pick<TokenizeOptions, "maxLength" | "overLength" | "minSupervisedTokens">,
): Assembled {
  const rejections = [...candidates.rejections];
  const fitting: Turn[] = [];
  const lengths: TurnLength[] = [];
  let cut = 0;
  for (const turn of candidates.turns) {
    const fitted = fitTurn(turn, options.maxLength, options.overLength);
    const supervised = turn.response.length;
    const lost = supervised - (fitted?.turn.response.length ?? 0);
    lengths.push({ turn: turn.turn, images: turn.imageHashes.length, supervised, lost });
    if (fitted === null) {
      const length = turn.prompt.length + turn.response.length;
      rejections.push({
        turn: turn.turn,
        reason: "over-length",
        message: `${length} ids, maxLength is ${options.maxLength}`,
      });
      continue;
    }
    if (fitted.cut) cut += 1;
    fitting.push(fitted.turn);
  }
  const rows: TokenRow[] = [];
  for (const row of joinTurns(fitting)) {
    const supervised = supervisedTokens(row.spans);
    if (supervised < options.minSupervisedTokens || !hasAdjacentPair(row)) {
      for (const turn of row.turns) {
        rejections.push({ turn, reason: "few-supervised-tokens", message: `the row supervises ${supervised} ids` });
      }
      continue;
    }
    rows.push(tokenRow(row, rows.length, candidates, model));
  }
  rejections.sort((a, b) => (a.turn ?? -1) - (b.turn ?? -1));
  return { rows, rejections, cut, lengths };
}

/** An anchor and the id after it must both be supervised, hence lie in one span: spans never touch. */
function hasAdjacentPair({ spans }: Row): boolean {
  for (let i = 0; i < spans.length; i += 2) if (spans[i + 1]! - spans[i]! >= 2) return true;
  return false;
}

function tokenRow(row: Row, index: number, candidates: Candidates, model: ModelDirectory): TokenRow {
  return {
    inputIds: row.ids,
    lossMask: lossMask(row.ids.length, row.spans),
    mmTokenTypeIds: tokenTypes(row.ids, model.specialIds),
    imageHashes: [...row.imageHashes],
    imageGridThw: Int32Array.from(row.imageHashes.flatMap((hash) => [...candidates.grids.get(hash)!])),
    videoFrames: row.videos.flatMap(({ frames }) => [...frames]),
    videoFrameCounts: Int32Array.from(row.videos, ({ frames }) => frames.length),
    videoGridThw: Int32Array.from(row.videos.flatMap(({ grid }) => [...grid])),
    dialogueId: candidates.id,
    row: index,
    turns: Int32Array.from(row.turns),
    responseSpans: Int32Array.from(row.spans),
    tags: candidates.tags,
  };
}

/** Counts image tokens and video frame tokens. */
export function pictureTokens(row: TokenRow): { images: number; videos: number } {
  const { mmTokenTypeIds: types } = row;
  const counts = { images: 0, videos: 0 };
  for (let at = 0; at < types.length; at += 1) {
    if (types[at] === TYPE_IMAGE) counts.images += 1;
    else if (types[at] === TYPE_VIDEO) counts.videos += 1;
  }
  return counts;
}
