/** Plans the shard files and their contents. */
import type { Split } from "./split.js";

export type ShardPlan = { name: string } & (
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
  const rows = (split: string, numbers: Uint32Array): ShardPlan[] =>
    cut(numbers.length, rowsPerShard).map(([start, end, name]) => {
      return { name: `${split}-${name}.arrow`, kind: "rows", rows: numbers.subarray(start, end) };
    });
  const images: ShardPlan[] = cut(hashes.length, imagesPerShard).map(([start, end, name]) => {
    return { name: `images-${name}.arrow`, kind: "images", hashes: hashes.slice(start, end) };
  });
  return [...rows("train", train), ...rows("heldout", heldout), ...images];
}

/** Start, end and "00000-of-00003" of each part. */
function cut(length: number, size: number): [number, number, string][] {
  const parts = Math.max(1, Math.ceil(length / size));
  const digits = (value: number) => String(value).padStart(5, "0");
  return Array.from({ length: parts }, (_, k) => {
    return [k * size, Math.min(length, (k + 1) * size), `${digits(k)}-of-${digits(parts)}`];
  });
}
