/** Planning and caching of random chains: a change reruns its step and what follows, and nothing else. */
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import { canonicalJson } from "../../src/base/index.js";
import { withAncestors, withDescendants } from "../../src/pipeline/graph.js";
import { Bench } from "./bench.js";

interface Shape {
  /** For each scale step, which earlier step of raw kind it reads. */
  sources: number[];
  sums: number[];
}

const shapes = fc.record({
  sources: fc.array(fc.nat(1), { minLength: 1, maxLength: 3 }),
  sums: fc.array(fc.nat(2), { minLength: 1, maxLength: 3 }),
});

function build({ sources, sums }: Shape, change?: string) {
  const steps: Record<string, unknown> = {};
  for (const n of [0, 1]) steps[`n${n}`] = { uses: "numbers", with: { count: 2, start: change === `n${n}` ? 5 : n } };
  sources.forEach((source, k) => {
    steps[`s${k}`] = { uses: "scale", in: { numbers: `n${source}` }, with: { factor: change === `s${k}` ? 7 : 2 } };
  });
  sums.forEach((source, k) => {
    steps[`t${k}`] = {
      uses: "sum",
      in: { scaled: `s${source % sources.length}` },
      with: { label: change === `t${k}` ? "new" : "sum" },
    };
  });
  return { name: "random", steps };
}

const benches: Bench[] = [];
afterAll(() => {
  for (const bench of benches) bench.remove();
});

describe("caching", () => {
  it("reruns exactly the changed step and what follows it", async () => {
    await fc.assert(
      fc.asyncProperty(shapes, fc.nat(), async (shape, pick) => {
        const bench = new Bench(stringify(build(shape)));
        benches.push(bench);
        await bench.run();
        const plan = await bench.plan();
        const names = plan.steps.map(({ name }) => name);
        const changed = names[pick % names.length]!;
        bench.write("p.yaml", stringify(build(shape, changed)));
        const expected = [...withDescendants(plan.steps, [changed])].sort();
        const looked = await bench.dry();
        expect(
          looked.steps
            .filter(({ state }) => state !== "cached")
            .map(({ name }) => name)
            .sort(),
        ).toEqual(expected);
        expect((await bench.run()).ran.sort()).toEqual(expected);
        expect((await bench.run()).ran).toEqual([]);
      }),
      { seed: 3, numRuns: 12 },
    );
  });

  it("does not depend on the order of steps in the file, nor on how their options are spelled", async () => {
    await fc.assert(
      fc.asyncProperty(shapes, fc.nat(), async (shape, seed) => {
        const content = build(shape);
        const bench = new Bench(stringify(content));
        benches.push(bench);
        await bench.run();
        const entries = Object.entries(content.steps);
        const turn = seed % entries.length;
        const turned = Object.fromEntries([...entries.slice(turn), ...entries.slice(0, turn)]);
        bench.write("p.yaml", canonicalJson({ ...content, steps: turned, variables: { unused: seed } }));
        expect((await bench.run()).ran).toEqual([]);
      }),
      { seed: 4, numRuns: 8 },
    );
  });
});

describe("the order of a plan", () => {
  it("puts every step after those it needs, and selects nothing beyond what is needed", async () => {
    await fc.assert(
      fc.asyncProperty(shapes, fc.nat(), async (shape, pick) => {
        const bench = new Bench(stringify(build(shape)));
        benches.push(bench);
        const plan = await bench.plan();
        const names = plan.steps.map(({ name }) => name);
        for (const step of plan.steps) {
          for (const needed of step.after) expect(names.indexOf(needed)).toBeLessThan(names.indexOf(step.name));
        }
        const until = names[pick % names.length]!;
        const { steps } = await bench.dry({ until });
        expect(steps.map(({ name }) => name).sort()).toEqual([...withAncestors(plan.steps, [until])].sort());
      }),
      { seed: 5, numRuns: 20 },
    );
  });
});
