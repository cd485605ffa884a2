/** Plans the shard files and their contents. */
import { type ShardPart, type SplitName, shardPath } from "../../artifacts/index.js";
import type { Split } from "./split.js";

/** `path` is below the artifact's directory. */
export type ShardPlan = { path: string; part: ShardPart } & (
  | { kind: "rows"; rows: Uint32Array }
  /** Hashes, sorted. */
  | { kind: "images"; hashes: string[] }
);

/** Every split has at least one file, so that readers find the schema even without rows. */
export function planShards(
  { train, heldout }: Pick<Split, "train" | "heldout">,
  hashes: string[],
  rowsPerShard: number,
  imagesPerShard: number,
): ShardPlan[] {
  const rows = (part: SplitName, numbers: Uint32Array): ShardPlan[] =>
    cut(part, numbers.length, rowsPerShard).map(({ start, end, path }) => {
      return { path, part, kind: "rows", rows: numbers.subarray(start, end) };
    });
  const images: ShardPlan[] = cut("images", hashes.length, imagesPerShard).map(({ start, end, path }) => {
    return { path, part: "images", kind: "images", hashes: hashes.slice(start, end) };
  });
  return [...rows("train", train), ...rows("heldout", heldout), ...images];
}

function cut(part: ShardPart, length: number, size: number): { start: number; end: number; path: string }[] {
  const count = Math.max(1, Math.ceil(length / size));
  return Array.from({ length: count }, (_, k) => {
    return { start: k * size, end: Math.min(length, (k + 1) * size), path: shardPath(part, k, count) };
  });
}
