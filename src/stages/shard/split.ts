/** Which rows are held out, and the order of all: functions of seed, dialogue ids, row numbers and image hashes alone. */
import { createHash } from "node:crypto";
import { DraftsmithError } from "../../base/index.js";
import { DisjointSets } from "./disjoint-sets.js";
import { forEachIndex, sortedIndices } from "./order.js";
import type { RowIndex } from "./row-index.js";

/** How rows were put into groups; the numbers say whether the split could be a good one. */
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

type Content = Pick<RowIndex, "rows" | "dialogues" | "images">;

/**
 * Dialogues that share a screenshot, directly or through others, form a group. Groups are held out whole: no dialogue and
 * no screenshot is on both sides. Neither the order of the rows nor their distribution over files matters.
 * @throws DraftsmithError DATA_EMPTY when everything is one group, so that nothing can be held out
 */
export async function splitRows(index: Content, heldoutShare: number, seed: number): Promise<Split> {
  const group = await groupsOf(index);
  const sizes = await sizesOf(group);
  const facts = groupFacts(sizes);
  const held = await heldoutGroups(index, group, sizes, heldoutShare, seed);
  const order = await shuffled(index, seed);
  return {
    ...facts,
    train: order.filter((row) => !held.has(group[row]!)),
    heldout: order.filter((row) => held.has(group[row]!)),
  };
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

function groupFacts(sizes: ReadonlyMap<number, number>): GroupFacts {
  let largestGroup = 0;
  for (const size of sizes.values()) largestGroup = Math.max(largestGroup, size);
  return { groups: sizes.size, largestGroup };
}

async function sizesOf(group: Int32Array): Promise<Map<number, number>> {
  const sizes = new Map<number, number>();
  await forEachIndex(group.length, (at) => {
    sizes.set(group[at]!, (sizes.get(group[at]!) ?? 0) + 1);
  });
  return sizes;
}

/**
 * Goes through the groups in an order that the seed decides and takes each that still fits under the share. Where none
 * fits, the smallest one is taken: some held-out rows are better than none.
 */
async function heldoutGroups(
  { rows, dialogues }: Content,
  group: Int32Array,
  sizes: ReadonlyMap<number, number>,
  share: number,
  seed: number,
): Promise<Set<number>> {
  if (share === 0) return new Set();
  if (sizes.size < 2) {
    throw new DraftsmithError(
      "DATA_EMPTY",
      `all ${rows.length} rows hang together through shared dialogues and screenshots`,
      {
        hint: "nothing can be held out without leaking; use more varied data, or heldoutShare: 0 to train without evaluation",
      },
    );
  }
  // A group's key is the least of its dialogues' keys: it does not depend on which dialogue came first.
  const keys = new Map<number, number>();
  const dialogueKeys = new Float64Array(dialogues.length);
  await forEachIndex(dialogues.length, (at) => {
    dialogueKeys[at] = keyOf(["split", seed, dialogues[at]!]);
  });
  await forEachIndex(rows.length, (at) => {
    const key = dialogueKeys[rows[at]!.dialogue]!;
    keys.set(group[at]!, Math.min(keys.get(group[at]!) ?? Number.POSITIVE_INFINITY, key));
  });
  // Groups are listed in order of appearance, which decides where keys meet by chance.
  const groups = [...sizes];
  const groupKeys = Float64Array.from(groups, ([number]) => keys.get(number)!);
  const byKey = await sortedIndices(groups.length, (a, b) => groupKeys[a]! - groupKeys[b]! || a - b);
  const ordered = Array.from(byKey, (at) => groups[at]!);
  const target = Math.max(1, Math.round(rows.length * share));
  const held = new Set<number>();
  let count = 0;
  for (const [number, size] of ordered) {
    if (count + size > target) continue;
    held.add(number);
    count += size;
    if (count === target) break;
  }
  if (held.size === 0) {
    const smallest = ordered.reduce((best, entry) => (entry[1] < best[1] ? entry : best));
    held.add(smallest[0]);
  }
  return held;
}

/** Row numbers in shuffled order. Two rows whose keys meet by chance (one in 10^14) are ordered by id and row. */
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
  return createHash("sha256").update(JSON.stringify(parts)).digest().readUIntBE(0, 6);
}
