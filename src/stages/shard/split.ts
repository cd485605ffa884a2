/** Which rows are held out, and the order of all: functions of seed, dialogue ids, row numbers and image hashes alone. */
import { createHash } from "node:crypto";
import { DraftsmithError } from "../../base/index.js";
import { DisjointSets } from "./disjoint-sets.js";
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
export function splitRows(index: Content, heldoutShare: number, seed: number): Split {
  const group = groupsOf(index);
  const facts = groupFacts(group);
  const held = heldoutGroups(index, group, heldoutShare, seed);
  const order = shuffled(index, seed);
  return {
    ...facts,
    train: order.filter((row) => !held.has(group[row]!)),
    heldout: order.filter((row) => held.has(group[row]!)),
  };
}

/** The group of each row. */
function groupsOf({ rows, dialogues, images }: Content): Int32Array {
  const sets = new DisjointSets();
  for (let k = 0; k < dialogues.length + images.length; k += 1) sets.add();
  for (const row of rows) for (const image of row.images) sets.join(row.dialogue, dialogues.length + image);
  return Int32Array.from(rows, (row) => sets.find(row.dialogue));
}

function groupFacts(group: Int32Array): GroupFacts {
  const sizes = sizesOf(group);
  let largestGroup = 0;
  for (const size of sizes.values()) largestGroup = Math.max(largestGroup, size);
  return { groups: sizes.size, largestGroup };
}

function sizesOf(group: Int32Array): Map<number, number> {
  const sizes = new Map<number, number>();
  for (const number of group) sizes.set(number, (sizes.get(number) ?? 0) + 1);
  return sizes;
}

/**
 * Goes through the groups in an order that the seed decides and takes each that still fits under the share. Where none
 * fits, the smallest one is taken: some held-out rows are better than none.
 */
function heldoutGroups({ rows, dialogues }: Content, group: Int32Array, share: number, seed: number): Set<number> {
  if (share === 0) return new Set();
  const sizes = sizesOf(group);
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
  const dialogueKeys = Float64Array.from(dialogues, (id) => keyOf(["split", seed, id]));
  for (const [at, row] of rows.entries()) {
    const key = dialogueKeys[row.dialogue]!;
    keys.set(group[at]!, Math.min(keys.get(group[at]!) ?? Number.POSITIVE_INFINITY, key));
  }
  const ordered = [...sizes].sort(([a], [b]) => keys.get(a)! - keys.get(b)!);
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
function shuffled({ rows, dialogues }: Content, seed: number): Uint32Array {
  const keys = Float64Array.from(rows, (row) => keyOf(["order", seed, dialogues[row.dialogue]!, row.row]));
  const order = Uint32Array.from(rows, (_, at) => at);
  return order.sort((a, b) => {
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
