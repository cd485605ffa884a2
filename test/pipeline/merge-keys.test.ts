/** `<<` in a pipeline file: what several steps share is written once. */
import { afterEach, beforeEach, expect, it } from "vitest";
import { Bench } from "./bench.js";

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
});
afterEach(() => bench.remove());

const SHARED = "name: p\nsteps:\n  one:\n    uses: numbers\n    with: &shared\n      count: 3\n      start: 1\n";

it("brings members in, which the map's own replace", async () => {
  bench.write("p.yaml", `${SHARED}  two:\n    uses: numbers\n    with:\n      start: 5\n      <<: *shared\n`);
  const { steps } = await bench.plan();
  expect(steps.map(({ options }) => options)).toMatchObject([
    { count: 3, start: 1 },
    { count: 3, start: 5 },
  ]);
});

it("takes several maps, of which the first one counts", async () => {
  const more =
    "  two:\n    uses: numbers\n    with: &other {start: 9}\n  three:\n    uses: numbers\n    with: {<<: [*other, *shared]}\n";
  bench.write("p.yaml", SHARED + more.replace("{start: 9}", "{start: 9, count: 1}"));
  const { steps } = await bench.plan();
  expect(steps.find(({ name }) => name === "three")?.options).toMatchObject({ start: 9, count: 1 });
});

it("points at the merged member where that is wrong", async () => {
  const text = `${SHARED.replace("count: 3", "conut: 3")}  two:\n    uses: numbers\n    with: {<<: *shared}\n`;
  expect(await bench.complaint(text)).toContain("at p.yaml:6:7");
  const second = `name: p\nsteps:\n  one: {uses: numbers, with: {count: 1}}\n  two:\n    uses: numbers\n    with:\n      <<: {count: x}\n`;
  expect(await bench.complaint(second)).toContain("at p.yaml:7:19");
});

it.each([
  ["something that is no map", "<<: 5"],
  ["itself", "<<: *shared"],
])("of %s is a mistake in the file", async (_, line) => {
  const text = `name: p\nsteps:\n  one:\n    uses: numbers\n    with: &shared\n      count: 3\n      ${line}\n`;
  expect(await bench.complaint(text)).toMatch(/^error PIPELINE_INVALID: not valid YAML: .*\n {2}at p.yaml/);
});

it("hides what it brings into headers", async () => {
  const text =
    "name: p\nvars:\n  base: &base\n    X-Team: violet-otter-93\nservices:\n  s:\n    uses: external\n    headers:\n      <<: *base\nsteps:\n  one:\n    uses: numbrs\n";
  const complaint = await bench.complaint(text);
  expect(complaint).not.toContain("violet-otter-93");
});
