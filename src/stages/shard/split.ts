/**
 * Decides which rows are held out and in which order all come: a function of seed, dialogue ids, row numbers and image
 * hashes.
 */
import { hash } from "node:crypto";
import { DraftsmithError } from "../../base/index.js";
import { DisjointSets } from "./disjoint-sets.js";
import { forEachIndex, sortedIndices } from "./order.js";
import type { IndexedRow, RowIndex } from "./row-index.js";

/** How rows were grouped; tells whether the split can be a good one. */
export interface GroupFacts {
  groups: number;
  /** Rows of the largest group. */
  largestGroup: number;
}

export interface Split extends GroupFacts {
  /** Numbers of rows in their final order. */
  train: Uint32Array;
  heldout: Uint32Array;
}

interface Content extends Pick<RowIndex, "dialogues" | "images"> {
  rows: readonly Pick<IndexedRow, "dialogue" | "images" | "row">[];
}

/**
 * Dialogues that share a screenshot, directly or transitively, form a group. Groups are held out as a whole, so no dialogue
 * and no screenshot is on both sides. Neither the order of the rows nor their distribution over files matters.
 * @throws DraftsmithError DATA_EMPTY when everything is one group, so that nothing can be held out
 */
export async function splitRows(index: Content, heldoutShare: number, seed: number): Promise<Split> {
  const group = await groupsOf(index);
  const sizes = await sizesOf(group, index.dialogues.length + index.images.length);
  let largestGroup = 0;
  for (const size of sizes.size) if (size > largestGroup) largestGroup = size;
  const held = await heldoutGroups(index, group, sizes, heldoutShare, seed);
  const order = await shuffled(index, seed);
  return { groups: sizes.groups.length, largestGroup, ...(await divided(order, (row) => held.has(group[row]!))) };
}

async function divided(
  order: Uint32Array,
  isHeld: (row: number) => boolean,
): Promise<Pick<Split, "train" | "heldout">> {
  const [train, heldout] = [new Uint32Array(order.length), new Uint32Array(order.length)];
  let [trainCount, heldoutCount] = [0, 0];
  await forEachIndex(order.length, (at) => {
    const row = order[at]!;
    if (isHeld(row)) heldout[heldoutCount++] = row;
    else train[trainCount++] = row;
  });
  return { train: train.subarray(0, trainCount), heldout: heldout.subarray(0, heldoutCount) };
}

/** The group of each row. */
async function groupsOf({ rows, dialogues, images }: Content): Promise<Int32Array> {
  const sets = new DisjointSets();
  await forEachIndex(dialogues.length + images.length, () => sets.add());
  await forEachIndex(rows.length, (at) => {
    const { dialogue, images: own } = rows[at]!;
    for (const image of own) sets.join(dialogue, dialogues.length + image);
  });
  const group = new Int32Array(rows.length);
  await forEachIndex(rows.length, (at) => {
    group[at] = sets.find(rows[at]!.dialogue);
  });
  return group;
}

/**
 * Row counts by group number, and the groups in order of appearance. Typed arrays, since a large Map pauses when it
 * grows.
 */
interface GroupSizes {
  size: Int32Array;
  groups: Int32Array;
}

async function sizesOf(group: Int32Array, numbers: number): Promise<GroupSizes> {
  const size = new Int32Array(numbers);
  const groups = new Int32Array(group.length);
  let count = 0;
  await forEachIndex(group.length, (at) => {
    const number = group[at]!;
    if (size[number] === 0) groups[count++] = number;
    size[number]! += 1;
  });
  return { size, groups: groups.subarray(0, count) };
}

/**
 * Goes through the groups in an order given by the seed and takes each that still fits into the share. If none fits, takes
 * the smallest one: some held-out rows are better than none.
 */
async function heldoutGroups(
  { rows, dialogues, images }: Content,
  group: Int32Array,
  { size, groups }: GroupSizes,
  share: number,
  seed: number,
): Promise<Set<number>> {
  if (share === 0) return new Set();
  if (groups.length < 2) {
    throw new DraftsmithError("DATA_EMPTY", `all ${rows.length} rows are linked by shared dialogues and screenshots`, {
      hint: "nothing can be held out without leaking; use more varied data, or heldoutShare: 0 to train without evaluation",
    });
  }
  // A group's key is the smallest key of its dialogues, so that their order does not matter.
  const keys = new Float64Array(dialogues.length + images.length).fill(Number.POSITIVE_INFINITY);
  const dialogueKeys = new Float64Array(dialogues.length);
  await forEachIndex(dialogues.length, (at) => {
    dialogueKeys[at] = keyOf(["split", seed, dialogues[at]!]);
  });
  await forEachIndex(rows.length, (at) => {
    keys[group[at]!] = Math.min(keys[group[at]!]!, dialogueKeys[rows[at]!.dialogue]!);
  });
  // If keys collide, the group that appeared first comes first.
  const ordered = await sortedIndices(groups.length, (a, b) => keys[groups[a]!]! - keys[groups[b]!]! || a - b);
  const target = Math.max(1, Math.round(rows.length * share));
  const held = new Set<number>();
  let count = 0;
  let smallest = ordered[0]!;
  await forEachIndex(ordered.length, (at) => {
    const number = groups[ordered[at]!]!;
    const rowsInGroup = size[number]!;
    if (rowsInGroup < size[groups[smallest]!]!) smallest = ordered[at]!;
    if (count + rowsInGroup > target) return;
    held.add(number);
    count += rowsInGroup;
  });
  if (held.size === 0) held.add(groups[smallest]!);
  return held;
}

/** Row numbers in shuffled order. Rows whose keys collide (about one in 10^14) are ordered by id and row. */
async function shuffled({ rows, dialogues }: Content, seed: number): Promise<Uint32Array> {
  const keys = new Float64Array(rows.length);
  await forEachIndex(rows.length, (at) => {
    const { dialogue, row } = rows[at]!;
    keys[at] = keyOf(["order", seed, dialogues[dialogue]!, row]);
  });
  return sortedIndices(rows.length, (a, b) => {
    if (keys[a] !== keys[b]) return keys[a]! - keys[b]!;
    const [idA, idB] = [dialogues[rows[a]!.dialogue]!, dialogues[rows[b]!.dialogue]!];
    if (idA !== idB) return idA < idB ? -1 : 1;
    return rows[a]!.row - rows[b]!.row || a - b;
  });
}

/** 48 bits of a hash, as an exact double. */
function keyOf(parts: readonly (string | number)[]): number {
  return Number.parseInt(hash("sha256", JSON.stringify(parts), "hex").slice(0, 12), 16);
}
