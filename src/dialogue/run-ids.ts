/**
 * Token ids with runs folded: `[7, [151655, 880], 9]`. Image pads come in runs of hundreds; folded, 278,000 dialogues
 * with a screenshot each stay small while every id remains exact.
 */
import { z } from "zod";

export type RunIds = (number | [id: number, count: number])[];

/** A loop instead of a schema an element: lists of a hundred thousand ids would hold the event loop for tens of ms. */
export const runIdsSchema = z.custom<RunIds>(Array.isArray, "a list of ids").superRefine((items, context) => {
  const at = items.findIndex((item) => !isRunItem(item));
  if (at >= 0) context.addIssue({ code: "custom", path: [at], message: "neither an id nor an id with its count" });
});

function isRunItem(item: unknown): boolean {
  if (!Array.isArray(item)) return isAtLeast(item, 0);
  return item.length === 2 && isAtLeast(item[0], 0) && isAtLeast(item[1], 1);
}

function isAtLeast(value: unknown, least: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= least;
}

/** Shorter runs cost more characters folded than spelled out. */
const MIN_RUN = 4;

/** @param from - the ids before this one are left out */
export function foldIds(ids: ArrayLike<number>, from = 0): RunIds {
  const folded: RunIds = [];
  let start = from;
  while (start < ids.length) {
    const id = ids[start]!;
    let end = start + 1;
    while (end < ids.length && ids[end] === id) end += 1;
    const count = end - start;
    if (count >= MIN_RUN) folded.push([id, count]);
    else for (let k = 0; k < count; k += 1) folded.push(id);
    start = end;
  }
  return folded;
}

export function runIdsLength(folded: RunIds): number {
  let length = 0;
  for (const item of folded) length += typeof item === "number" ? 1 : item[1];
  return length;
}

export function unfoldIds(folded: RunIds): Int32Array {
  const ids = new Int32Array(runIdsLength(folded));
  let at = 0;
  for (const item of folded) {
    if (typeof item === "number") ids[at++] = item;
    else {
      ids.fill(item[0], at, at + item[1]);
      at += item[1];
    }
  }
  return ids;
}
