/** A row as lines of text: what it is made of, and its tokens with mask, type and place. */
import type { TokenRow } from "../artifacts/index.js";
import { formatNumber } from "../events/index.js";
import type { Speller } from "../model/index.js";

/** Equal tokens that follow one another: 896 image pads are one line. */
export interface TokenRun {
  at: number;
  count: number;
  id: number;
  /** Of all its tokens. */
  mask: number;
  type: number;
}

const TYPES = ["text", "image", "video"];

export function runsOf({ inputIds, lossMask, mmTokenTypeIds }: TokenRow): TokenRun[] {
  const runs: TokenRun[] = [];
  for (let at = 0; at < inputIds.length; at += 1) {
    const [id, mask, type] = [inputIds[at]!, lossMask[at]!, mmTokenTypeIds[at]!];
    const last = runs.at(-1);
    if (last !== undefined && last.id === id && last.mask === mask && last.type === type) last.count += 1;
    else runs.push({ at, count: 1, id, mask, type });
  }
  return runs;
}

/** One line: enough to choose a row from a list. */
export function rowLine(row: TokenRow): string {
  const { dialogueId, row: number, inputIds, turns, imageHashes, videoFrameCounts } = row;
  const parts = [
    `${formatNumber(inputIds.length)} tokens`,
    `${formatNumber(supervisedOf(row))} supervised`,
    `turns ${turns.join(", ")}`,
    ...(imageHashes.length === 0 ? [] : [`${imageHashes.length} images`]),
    ...(videoFrameCounts.length === 0 ? [] : [`${videoFrameCounts.length} videos`]),
  ];
  return `${printable(`${dialogueId}/${number}`)}  ${parts.join("  ")}`;
}

/** @param spell - undefined: ids alone */
export function rowLines(row: TokenRow, spell: Speller | undefined): string[] {
  const { turns, responseSpans: spans, imageHashes, imageGridThw: grid, videoFrameCounts, videoGridThw, tags } = row;
  const answers = Array.from(turns, (turn, k) => `turn ${turn} at ${spans[2 * k]} to ${spans[2 * k + 1]}`);
  const images = imageHashes.map((hash, k) => `image ${k + 1}  ${printable(hash)}  grid ${gridAt(grid, k)}`);
  const videos = Array.from(
    videoFrameCounts,
    (count, k) => `video ${k + 1}  ${count} frames  grid ${gridAt(videoGridThw, k)}`,
  );
  const runs = runsOf(row);
  const cells = runs.map(({ at, count, id, mask, type }) => [
    String(at),
    count === 1 ? "" : `x ${count}`,
    String(id),
    String(mask),
    TYPES[type] ?? String(type),
    spell === undefined ? "" : printable(JSON.stringify(spell(id))),
  ]);
  return [
    rowLine(row),
    `answers  ${answers.join("; ") || "none"}`,
    ...images,
    ...videos,
    `tags  ${printable(JSON.stringify(tags))}`,
    ...aligned([["index", "count", "id", "mask", "type", spell === undefined ? "" : "text"], ...cells]),
  ];
}

export function supervisedOf({ lossMask }: TokenRow): number {
  return lossMask.reduce((sum, mask) => sum + mask, 0);
}

/** Ids and tags come from users: no escape sequence may reach the terminal. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not pass
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

function gridAt(grid: Int32Array, k: number): string {
  return Array.from(grid.subarray(3 * k, 3 * k + 3)).join(" x ");
}

/** Numbers to the right, words to the left. */
function aligned(rows: readonly string[][]): string[] {
  const widths = rows[0]!.map((_, k) => Math.max(...rows.map((row) => row[k]!.length)));
  return rows.map((row) =>
    row
      .map((cell, k) => (k < 4 ? cell.padStart(widths[k]!) : k === 4 ? cell.padEnd(widths[k]!) : cell))
      .join("  ")
      .trimEnd(),
  );
}
