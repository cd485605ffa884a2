/**
 * Where a shards artifact keeps its files. Rows and images lie in folders of their own, so that a pattern over the rows
 * meets no image, and the splits have names that the Python library `datasets` finds by itself.
 */
import { join } from "node:path";
import { onDisk } from "./disk.js";
import { listFiles } from "./tree.js";

/** The splits as the toolkit calls them. */
export const SPLITS = ["train", "heldout"] as const;
export type SplitName = (typeof SPLITS)[number];
export type ShardPart = SplitName | "images";

/** In file names: `datasets` knows no split called heldout. */
export const SPLIT_IN_FILES = { train: "train", heldout: "validation" } as const satisfies Record<SplitName, string>;

const PRESENT: Record<ShardPart, string> = {
  train: `rows/${SPLIT_IN_FILES.train}`,
  heldout: `rows/${SPLIT_IN_FILES.heldout}`,
  images: "images/images",
};
/** All files in the artifact's own folder: shards written before they had folders. */
const OLDER: Record<ShardPart, string> = { train: "train", heldout: "heldout", images: "images" };
const NUMBERED = /^-\d{5}-of-\d{5}\.arrow$/;

/** The path of file `number` of `count`, below the artifact's directory, with forward slashes. */
export function shardPath(part: ShardPart, number: number, count: number): string {
  const digits = (value: number) => String(value).padStart(5, "0");
  return `${PRESENT[part]}-${digits(number)}-of-${digits(count)}.arrow`;
}

/** Those of the paths below a shards artifact that hold this part, in order, in whichever layout it was written. */
export function shardPaths(paths: readonly string[], part: ShardPart): string[] {
  const of = (prefix: string) =>
    paths.filter((path) => path.startsWith(prefix) && NUMBERED.test(path.slice(prefix.length))).sort();
  const present = of(PRESENT[part]);
  return present.length > 0 ? present : of(OLDER[part]);
}

/** The same for a directory, as full paths. */
export async function shardFiles(directory: string, part: ShardPart): Promise<string[]> {
  return shardPaths(await onDisk(directory, () => listFiles(directory)), part).map((path) => join(directory, path));
}
