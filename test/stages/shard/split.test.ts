import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DisjointSets } from "../../../src/stages/shard/disjoint-sets.js";
import { splitRows } from "../../../src/stages/shard/split.js";

interface Small {
  dialogue: string;
  row: number;
  images: string[];
}

/** The index of some rows, as if read in this order. */
function indexOf(rows: readonly Small[]) {
  const dialogues = [...new Set(rows.map((row) => row.dialogue))];
  const images = [...new Set(rows.flatMap((row) => row.images))];
  return {
    dialogues,
    images,
    rows: rows.map((row, at) => ({
      file: 0,
      batch: 0,
      at,
      dialogue: dialogues.indexOf(row.dialogue),
      images: row.images.map((image) => images.indexOf(image)),
      row: row.row,
    })),
  };
}

const name = (row: Small) => `${row.dialogue}/${row.row}`;
async function split(rows: readonly Small[], share: number, seed: number) {
  const { train, heldout, ...facts } = await splitRows(indexOf(rows), share, seed);
  return { train: [...train].map((at) => rows[at]!), heldout: [...heldout].map((at) => rows[at]!), ...facts };
}

const images = fc.array(
  fc.nat(60).map((k) => `image ${k}`),
  { maxLength: 2 },
);
const corpus = fc
  .array(fc.array(images, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 40 })
  .map((dialogues) =>
    dialogues.flatMap((rows, d) => rows.map((own, row): Small => ({ dialogue: `d${d}`, row, images: own }))),
  );

describe("the split", () => {
  it("puts every row on exactly one side, and no dialogue and no screenshot on both", async () => {
    await fc.assert(
      fc.asyncProperty(corpus, fc.double({ min: 0, max: 0.9, noNaN: true }), fc.nat(5), async (rows, share, seed) => {
        if (share > 0 && (await split(rows, 0, seed)).groups < 2) return;
        const { train, heldout } = await split(rows, share, seed);
        expect([...train, ...heldout].map(name).sort()).toEqual(rows.map(name).sort());
        const sides = [train, heldout].map((side) => new Set(side.flatMap((row) => [row.dialogue, ...row.images])));
        for (const thing of sides[0]!) expect(sides[1]!.has(thing)).toBe(false);
        expect(heldout.length > 0).toBe(share > 0);
      }),
      { seed: 41, numRuns: 300 },
    );
  });

  it("does not depend on the order in which rows come", async () => {
    await fc.assert(
      fc.asyncProperty(
        corpus.chain((rows) => fc.tuple(fc.constant(rows), fc.shuffledSubarray(rows, { minLength: rows.length }))),
        fc.nat(5),
        async ([rows, mixed], seed) => {
          const share = (await split(rows, 0, seed)).groups < 2 ? 0 : 0.2;
          const { train, heldout } = await split(rows, share, seed);
          const again = await split(mixed, share, seed);
          expect(again.train.map(name)).toEqual(train.map(name));
          expect(again.heldout.map(name)).toEqual(heldout.map(name));
        },
      ),
      { seed: 42, numRuns: 200 },
    );
  });

  it("comes near the share where groups are small, and never exceeds it", async () => {
    const rows = Array.from(
      { length: 1000 },
      (_, d): Small => ({ dialogue: `d${d}`, row: 0, images: [`image ${d >> 1}`] }),
    );
    for (const seed of [1, 2, 3]) {
      const { heldout, groups, largestGroup } = await split(rows, 0.1, seed);
      expect(heldout.length).toBe(100);
      expect({ groups, largestGroup }).toEqual({ groups: 500, largestGroup: 2 });
    }
  });

  it("leaves a group that is too large to training", async () => {
    const shared = Array.from({ length: 90 }, (_, d): Small => ({ dialogue: `s${d}`, row: 0, images: ["home"] }));
    const alone = Array.from({ length: 10 }, (_, d): Small => ({ dialogue: `a${d}`, row: 0, images: [] }));
    const { heldout, largestGroup } = await split([...shared, ...alone], 0.05, 1);
    expect(heldout).toHaveLength(5);
    expect(heldout.every((row) => row.dialogue.startsWith("a"))).toBe(true);
    expect(largestGroup).toBe(90);
  });

  it("takes the smallest group where none fits, and refuses where there is one only", async () => {
    const three = ["a", "b"].flatMap((dialogue) => [0, 1, 2].map((row): Small => ({ dialogue, row, images: [] })));
    const { train, heldout } = await split(
      [...three, { dialogue: "c", row: 0, images: [] }, { dialogue: "c", row: 1, images: [] }],
      0.1,
      1,
    );
    expect(heldout.map(name).sort()).toEqual(["c/0", "c/1"]);
    expect(train).toHaveLength(6);
    const one = three.map((row) => ({ ...row, images: ["home"] }));
    await expect(split(one, 0.1, 1)).rejects.toThrow(expect.objectContaining({ code: "DATA_EMPTY" }));
    expect((await split(one, 0, 1)).train).toHaveLength(6);
  });
});

describe("the order", () => {
  const rows = Array.from({ length: 2000 }, (_, d): Small => ({ dialogue: `d${d}`, row: 0, images: [] }));

  it("is shuffled, and another one for another seed", async () => {
    const splits = await Promise.all([1, 2].map((seed) => split(rows, 0, seed)));
    const orders = splits.map(({ train }) => train.map((row) => Number(row.dialogue.slice(1))));
    expect(orders[0]).not.toEqual(orders[1]);
    for (const order of orders) {
      // Of a random order about half of the neighbours ascend.
      const rising = order.filter((value, at) => at > 0 && value > order[at - 1]!).length;
      expect(Math.abs(rising - 1000)).toBeLessThan(100);
    }
  });

  it("of rows of one seed stays when others are added", async () => {
    const few = (await split(rows.slice(0, 500), 0, 1)).train.map(name);
    const wanted = new Set(few);
    expect((await split(rows, 0, 1)).train.map(name).filter((row) => wanted.has(row))).toEqual(few);
  });
});

describe("disjoint sets", () => {
  it("say what a plain search says", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2500 }),
        fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 60 }),
        (count, pairs) => {
          const sets = new DisjointSets();
          for (let k = 0; k < count; k += 1) sets.add();
          const colour = Array.from({ length: count }, (_, k) => k);
          for (const [a, b] of pairs.map(([x, y]) => [x % count, y % count] as const)) {
            sets.join(a, b);
            const [from, to] = [colour[a]!, colour[b]!];
            for (const [k, own] of colour.entries()) if (own === from) colour[k] = to;
          }
          const touched = pairs
            .flat()
            .map((value) => value % count)
            .slice(0, 20);
          for (const a of touched)
            for (const b of touched) expect(sets.find(a) === sets.find(b)).toBe(colour[a] === colour[b]);
        },
      ),
      { seed: 43, numRuns: 60 },
    );
  });
});
