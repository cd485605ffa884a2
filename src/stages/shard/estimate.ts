/** What the shards would take on the disk: every row and every image once. */
import { formatBytes } from "../../events/index.js";
import type { Estimate, Expected, InputArtifact } from "../stage.js";
import type { ShardInputs } from "./run.js";

/** An id of 4 bytes, its mask and its type of 1 byte each. */
const BYTES_PER_TOKEN = 6;
/** Ids, hashes, grids and spans of a row beside its tokens. */
const ROW_BYTES = 400;

export function estimate(
  { rows, dialogues }: Partial<Record<keyof ShardInputs, InputArtifact | undefined>>,
  limit: number | undefined,
  expected: Expected = {},
): Estimate {
  const found = rows === undefined ? expectedRows(expected, limit) : measuredRows(rows);
  if (found === undefined) return { lines: [] };
  const images = imagesOf(dialogues, expected, limit);
  const rowBytes = found.tokens * BYTES_PER_TOKEN + found.rows * ROW_BYTES;
  const words = `${Math.round(found.rows)} rows of ${Math.round(found.tokens / Math.max(1, found.rows))} tokens${rows === undefined ? ", as expected" : ""}`;
  if (images === undefined) {
    return { lines: [`${words}; disk: about ${formatBytes(rowBytes)} without images`], diskBytes: rowBytes };
  }
  const line = `${words}; disk: about ${formatBytes(rowBytes)} for rows and ${formatBytes(images)} for images`;
  return { lines: [line], diskBytes: rowBytes + images };
}

function measuredRows({ manifest: { counts } }: InputArtifact): { rows: number; tokens: number } | undefined {
  const { rows, tokens } = counts;
  return typeof rows === "number" && typeof tokens === "number" ? { rows, tokens } : undefined;
}

function expectedRows(expected: Expected, limit: number | undefined): { rows: number; tokens: number } | undefined {
  const { dialogues, rows, rowTokens } = expected;
  if (dialogues === undefined || rows === undefined || rowTokens === undefined) return undefined;
  const all = Math.min(dialogues, limit ?? Infinity) * rows;
  return { rows: all, tokens: all * rowTokens };
}

/** Bytes; undefined where nothing is known of them. */
function imagesOf(
  dialogues: InputArtifact | undefined,
  { dialogues: count, images, imageBytes }: Expected,
  limit: number | undefined,
): number | undefined {
  if (dialogues !== undefined) {
    return dialogues.manifest.files
      .filter(({ path }) => path.startsWith("images/"))
      .reduce((sum, { bytes }) => sum + bytes, 0);
  }
  if (count === undefined || images === undefined || imageBytes === undefined) return undefined;
  return Math.min(count, limit ?? Infinity) * images * imageBytes;
}
