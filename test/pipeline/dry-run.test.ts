import { existsSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { formatDryRun } from "../../src/pipeline/index.js";
import { formatWhy } from "../../src/pipeline/why.js";
import { Bench } from "./bench.js";
import { serviceLog } from "./small-stages.js";

const YAML = `
name: dry
variables: {count: 3}
services: {word: {uses: word}}
steps:
  numbers: {uses: numbers, with: {count: "\${vars.count}"}}
  scale: {uses: scale, in: {numbers: numbers}}
  ask: {uses: fetch-word, in: {after: scale}, with: {server: "\${services.word.url}"}}
  sum: {uses: sum, in: {scaled: scale}}
`;

let bench: Bench;
beforeEach(() => {
  bench = new Bench(YAML);
  serviceLog.length = 0;
});
afterEach(() => bench.remove());

const text = async (more = {}): Promise<string> => formatDryRun(await bench.dry(more)).replaceAll(bench.root, "ROOT");

describe("--dry-run", () => {
  it("says what would run, with estimates and services, and leaves no trace", async () => {
    expect(await text()).toMatchInlineSnapshot(`
      "dry in ROOT/ws

      numbers  run      not made yet
               makes numbers
               about 3 numbers
      scale    run      not made yet
               multiplies numbers
      ask      run      not made yet [fetch-word]
               asks a server for its word
      sum      run      not made yet
               adds numbers

      service word (word): would serve 7

      would run 4, may run 0, cached 0; nothing was started or written"
    `);
    expect(existsSync(bench.path("ws"))).toBe(false);
    expect(serviceLog).toEqual([]);
  });

  it("tells stale from cached, and what an earlier step decides", async () => {
    await bench.run();
    expect(await text()).toMatchInlineSnapshot(`
      "dry in ROOT/ws

      numbers  cached   unchanged
      scale    cached   unchanged
      ask      cached   unchanged [fetch-word]
      sum      cached   unchanged

      would run 0, may run 0, cached 4; nothing was started or written"
    `);
    expect(await text({ set: ["vars.count=4"] })).toMatchInlineSnapshot(`
      "dry in ROOT/ws

      numbers  stale    options.count 3 -> 4
               makes numbers
               about 4 numbers
      scale    unknown  runs unless the output of numbers stays the same
               multiplies numbers
      ask      unknown  runs unless the output of scale stays the same [fetch-word]
               asks a server for its word
      sum      unknown  runs unless the output of scale stays the same
               adds numbers

      service word (word): would serve 7

      would run 1, may run 3, cached 0; nothing was started or written"
    `);
    expect(await text({ from: "sum", force: ["sum"] })).toMatchInlineSnapshot(`
      "dry in ROOT/ws

      scale  cached   taken as it is (--from)
      sum    stale    forced
             adds numbers

      would run 1, may run 0, cached 1; nothing was started or written"
    `);
  });

  it("takes missing files as notes", async () => {
    bench.write("p.yaml", YAML.replace('count: "${vars.count}"', "source: ./nowhere.txt"));
    expect(await text()).toMatchInlineSnapshot(`
      "dry in ROOT/ws

      numbers  run      not made yet
               makes numbers
               note: ROOT/nowhere.txt does not exist
               about 3 numbers
      scale    run      not made yet
               multiplies numbers
      ask      run      not made yet [fetch-word]
               asks a server for its word
      sum      run      not made yet
               adds numbers

      service word (word): would serve 7

      would run 4, may run 0, cached 0; nothing was started or written"
    `);
  });
});

describe("why", () => {
  const why = async (step: string, more = {}): Promise<string> => formatWhy(await bench.why(step, more));

  it("names what changed, field by field", async () => {
    expect(await why("scale")).toBe("scale runs: it was never finished here");
    await bench.run();
    expect(await why("numbers")).toBe("numbers cached: nothing changed");
    expect(await why("numbers", { set: ["vars.count=4"], limit: 2 })).toMatchInlineSnapshot(`
      "numbers runs, because of these changes:
        options.count 3 -> 4
        limit null -> 2"
    `);
    expect(await why("ask", { set: ["services.word.with.word='x'"] })).toMatchInlineSnapshot(`
      "ask runs, because of these changes:
        services.word.options.word "7" -> "x""
    `);
    await bench.run({ set: ["vars.count=4"], until: "numbers" });
    expect(await why("scale")).toMatchInlineSnapshot(`
      "scale runs, because of these changes:
        the content of inputs.numbers changed"
    `);
  });

  it("names a step that is not there", async () => {
    await expect(bench.why("scael")).rejects.toMatchObject({ code: "USAGE", hint: "did you mean scale?" });
  });
});
