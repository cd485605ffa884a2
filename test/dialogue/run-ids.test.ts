import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import {
  commonPrefix,
  foldIds,
  type GeneratedTurn,
  runIdsLength,
  runIdsSchema,
  turnIds,
  unfoldIds,
} from "../../src/dialogue/index.js";

/** Ids in runs, as image pads come. */
const runs = fc
  .array(fc.tuple(fc.nat(200_000), fc.integer({ min: 1, max: 12 })), { maxLength: 20 })
  .map((items) => items.flatMap(([id, count]) => new Array<number>(count).fill(id)));

describe("folded ids", () => {
  it("unfold to the same ids, and are valid and never longer", () => {
    fc.assert(
      fc.property(runs, (ids) => {
        const folded = foldIds(ids);
        expect([...unfoldIds(folded)]).toEqual(ids);
        expect(runIdsLength(folded)).toBe(ids.length);
        expect(runIdsSchema.safeParse(folded).success).toBe(true);
        expect(JSON.stringify(folded).length).toBeLessThanOrEqual(JSON.stringify(ids).length);
      }),
      { seed: 31, numRuns: 500 },
    );
  });

  it("fold runs of four and more, equal ids to equal folds", () => {
    expect(foldIds([7, 7, 7, 9, 9, 9, 9, 7])).toEqual([7, 7, 7, [9, 4], 7]);
    expect(foldIds(new Int32Array([5, 5, 5, 5, 5]))).toEqual([[5, 5]]);
    expect(foldIds([])).toEqual([]);
  });
});

describe("the schema of folded ids", () => {
  /** What it says, a schema an element: exact, and too slow for long lists. */
  const plain = z.array(
    z.union([z.number().int().nonnegative(), z.tuple([z.number().int().nonnegative(), z.number().int().positive()])]),
  );
  const item = fc.oneof(
    { weight: 8, arbitrary: fc.nat() },
    { weight: 4, arbitrary: fc.tuple(fc.nat(9), fc.integer({ min: 1, max: 9 })) },
    fc.constantFrom<unknown>(-1, 0.5, 2 ** 53, NaN, null, "7", [7], [7, 0], [-1, 2], [7, 2, 1], [7, "2"], {}, true),
  );

  it("takes and refuses what one schema an element would, and names the place", () => {
    fc.assert(
      fc.property(fc.oneof(fc.array(item, { maxLength: 6 }), fc.jsonValue()), (value) => {
        const [ours, theirs] = [runIdsSchema.safeParse(value), plain.safeParse(value)];
        expect(ours.success).toBe(theirs.success);
        if (ours.success) expect(ours.data).toEqual(value);
        else expect(ours.error.issues[0]!.path[0]).toBe(theirs.error!.issues[0]!.path[0]);
      }),
      { seed: 33, numRuns: 500 },
    );
  });
});

describe("the ids of turns", () => {
  it("join again from what each turn adds", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(runs, runs), { minLength: 1, maxLength: 4 }), (turns) => {
        let previous: number[] = [];
        const stored = turns.map(([prompt, response], at): GeneratedTurn => {
          // Every other turn extends what came before, as real dialogues do.
          const full = at % 2 === 1 ? [...previous, ...prompt] : prompt;
          const keep = commonPrefix(full, previous);
          previous = [...full, ...response];
          return {
            message: at,
            prompt: { keep, ids: foldIds(full.slice(keep)) },
            response: foldIds(response),
            text: "",
            finish: { type: "stop", matched: null },
            imageHashes: [],
          };
        });
        let before: number[] = [];
        turnIds(stored).forEach(({ prompt, response }, at) => {
          const expected = at % 2 === 1 ? [...before, ...turns[at]![0]] : turns[at]![0];
          expect([...prompt]).toEqual(expected);
          expect([...response]).toEqual(turns[at]![1]);
          before = [...expected, ...turns[at]![1]];
        });
      }),
      { seed: 32, numRuns: 200 },
    );
  });
});
