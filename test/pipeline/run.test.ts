import { existsSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openArtifact } from "../../src/artifacts/index.js";
import { Bench } from "./bench.js";
import { serviceLog, withCodeVersion } from "./small-stages.js";

const CHAIN = `
name: chain
variables: {count: 3}
steps:
  numbers:
    uses: numbers
    with: {count: "\${vars.count}"}
  scale:
    uses: scale
    in: {numbers: numbers}
  sum:
    uses: sum
    in: {scaled: scale}
`;

let bench: Bench;
beforeEach(() => {
  bench = new Bench(CHAIN);
  serviceLog.length = 0;
});
afterEach(() => bench.remove());

describe("a run", () => {
  it("runs every step once and then nothing", async () => {
    const first = await bench.run();
    expect(first).toMatchObject({ outcome: "done", ran: ["numbers", "scale", "sum"], cached: [] });
    expect(bench.read("ws/steps/sum/sum.txt")).toBe("6\n");
    const second = await bench.run();
    expect(second).toMatchObject({ outcome: "done", ran: [], cached: ["numbers", "scale", "sum"] });
  });

  it("seals artifacts that verify, with inputs by digest", async () => {
    await bench.run();
    const numbers = await openArtifact(bench.path("ws/steps/numbers"), "raw", { verify: true });
    const scaled = await openArtifact(bench.path("ws/steps/scale"), "dialogues", { verify: true });
    expect(scaled.manifest.inputs).toEqual({ numbers: { kind: "raw", digest: numbers.manifest.digest } });
    expect(scaled.manifest.counts).toEqual({ read: 3, kept: 3 });
  });

  it("leaves the same bytes in another workspace", async () => {
    await bench.run({ workspace: "a" });
    await bench.run({ workspace: "b" });
    for (const file of ["manifest.json", "fingerprint.json"]) {
      expect(bench.read(`a/steps/sum/${file}`)).toBe(bench.read(`b/steps/sum/${file}`));
    }
  });

  it("reruns what an option changes and what follows, nothing else", async () => {
    await bench.run();
    bench.write("p.yaml", CHAIN.replace("uses: scale", "uses: scale\n    with: {factor: 3}"));
    expect((await bench.run()).ran).toEqual(["scale", "sum"]);
    expect(bench.read("ws/steps/sum/sum.txt")).toBe("9\n");
  });

  it("stops early when a changed step gives the same output", async () => {
    await bench.run();
    bench.write(
      "p.yaml",
      CHAIN.replace('with: {count: "${vars.count}"}', 'with: {count: "${vars.count}", shape: padded}'),
    );
    expect(await bench.run()).toMatchObject({ ran: ["numbers"], cached: ["scale", "sum"] });
  });

  it("ignores neutral options, comments and the name of a variable", async () => {
    await bench.run();
    bench.write(
      "p.yaml",
      `# a comment\n${CHAIN.replace("uses: scale", "uses: scale\n    with: {pauseMs: 1}").replaceAll("count}", "n}").replace("{count: 3}", "{n: 3}")}`,
    );
    expect((await bench.run()).ran).toEqual([]);
  });

  it("reruns a stage whose code version was raised", async () => {
    await bench.run();
    const { ran, events } = await bench.run({ stages: withCodeVersion("sum", 2) });
    expect(ran).toEqual(["sum"]);
    expect(events).toContainEqual({ type: "step-started", step: "sum", stage: "sum", why: "codeVersion 1 -> 2" });
  });

  it("takes --set, --limit and --force", async () => {
    await bench.run();
    expect((await bench.run({ set: ["vars.count=4"] })).ran).toEqual(["numbers", "scale", "sum"]);
    expect((await bench.run({ set: ["vars.count=4"], limit: 1 })).steps.at(-1)?.manifest?.counts).toEqual({ kept: 1 });
    await bench.run();
    // The forced step gives the same output, so what follows stays.
    expect(await bench.run({ force: ["scale"] })).toMatchObject({ ran: ["scale"], cached: ["numbers", "sum"] });
  });

  it("takes --until and --from", async () => {
    expect((await bench.run({ until: "scale" })).ran).toEqual(["numbers", "scale"]);
    // Steps before --from are not compared: the changed count goes unnoticed.
    const late = await bench.run({ from: "sum", set: ["vars.count=9"] });
    expect(late).toMatchObject({ ran: ["sum"], cached: ["scale"] });
    expect(bench.read("ws/steps/sum/sum.txt")).toBe("6\n");
  });

  it("refuses --from when an earlier step was never finished", async () => {
    const { outcome, error } = await bench.run({ from: "sum" });
    expect(outcome).toBe("failed");
    expect(error).toMatchObject({ code: "ARTIFACT_INVALID", hint: "run once without --from" });
  });

  it("reruns a step whose output was damaged", async () => {
    await bench.run();
    writeFileSync(bench.path("ws/steps/scale/scaled.txt"), "0\n2\n5\n");
    const { ran, events } = await bench.run();
    expect(ran).toEqual(["scale"]);
    expect(events).toContainEqual(
      expect.objectContaining({
        type: "step-started",
        why: "its output is damaged: scaled.txt is not what the manifest says",
      }),
    );
    rmSync(bench.path("ws/steps/numbers/numbers.txt"));
    expect((await bench.run()).ran).toEqual(["numbers"]);
  });

  it("finds damage behind an unchanged size and time only with --verify", async () => {
    await bench.run();
    const file = bench.path("ws/steps/scale/scaled.txt");
    // The cache remembers times to the nanosecond; whole seconds survive being written back.
    utimesSync(file, 1_700_000_000, 1_700_000_000);
    await bench.run();
    writeFileSync(file, "9\n2\n4\n");
    utimesSync(file, 1_700_000_000, 1_700_000_000);
    expect((await bench.run()).ran).toEqual([]);
    expect((await bench.run({ verify: true })).ran).toEqual(["scale"]);
  });

  it("only follows the content of a file option, not its place", async () => {
    const yaml = CHAIN.replace('count: "${vars.count}"', 'count: 1, source: "${vars.file}"').replace(
      "count: 3",
      "file: data/a.txt",
    );
    bench.write("p.yaml", yaml);
    bench.write("data/a.txt", "5\n");
    bench.write("other/a.txt", "5\n");
    await bench.run();
    expect((await bench.run({ set: ["vars.file=./other/a.txt"] })).ran).toEqual([]);
    bench.write("data/a.txt", "6\n");
    expect((await bench.run()).ran).toEqual(["numbers", "scale", "sum"]);
  });

  it("names a missing file at its option, before anything runs", async () => {
    bench.write("p.yaml", CHAIN.replace('count: "${vars.count}"', "source: nowhere.txt"));
    await expect(bench.run()).rejects.toMatchObject({
      code: "INPUT_MISSING",
      location: { file: "p.yaml", line: 7, column: 20 },
    });
    expect(existsSync(bench.path("ws"))).toBe(false);
  });

  it("goes on with what a failure does not touch", async () => {
    bench.write(
      "p.yaml",
      `${CHAIN}  other: {uses: scale, in: {numbers: numbers}, with: {failAt: 1}}\n  last: {uses: sum, in: {scaled: other}}\n`.replace(
        "  sum:\n",
        "  unlucky: {uses: breaks}\n  sum:\n",
      ),
    );
    const { outcome, steps, error } = await bench.run();
    expect(outcome).toBe("failed");
    expect(steps.map(({ name, state }) => `${name} ${state}`)).toEqual([
      "numbers done",
      "scale done",
      "unlucky failed",
      "sum done",
      "other failed",
      "last skipped",
    ]);
    expect(error).toBeInstanceOf(TypeError);
    // What a failed step had written would be kept; these two had written nothing.
    expect(readdirSync(bench.path("ws/work"))).toEqual([]);
  });

  it("keeps a record of every run", async () => {
    const { directory } = await bench.run();
    const record = JSON.parse(bench.read(`${directory.slice(bench.root.length)}/run.json`)) as {
      outcome: string;
      steps: { name: string }[];
    };
    expect(record).toMatchObject({ outcome: "done", steps: [{ name: "numbers" }, { name: "scale" }, { name: "sum" }] });
    expect(readdirSync(directory).sort()).toEqual([
      "events.jsonl",
      "logs",
      "manifests",
      "pipeline.yaml",
      "report.html",
      "report.json",
      "resolved.json",
      "run.json",
      "versions.json",
    ]);
    expect(readdirSync(`${directory}/manifests`).sort()).toEqual(["numbers.json", "scale.json", "sum.json"]);
  });

  it("puts the rows that stages contribute into the summary", async () => {
    const { events } = await bench.run();
    expect(events.at(-1)).toMatchObject({
      type: "run-finished",
      outcome: "done",
      summary: [{ label: "sum: sum", value: "6" }],
    });
  });

  it("reads an artifact from a path, and notices when that changes", async () => {
    await bench.run({ workspace: "made" });
    bench.write("p.yaml", "name: reader\nsteps:\n  sum: {uses: sum, in: {scaled: ./made/steps/scale}}\n");
    expect((await bench.run()).ran).toEqual(["sum"]);
    expect((await bench.run()).ran).toEqual([]);
    bench.write("chain.yaml", CHAIN);
    await bench.run({ file: "chain.yaml", workspace: "made", set: ["vars.count=5"] });
    expect((await bench.run()).ran).toEqual(["sum"]);
  });

  it("reads files of another step through its directory", async () => {
    bench.write(
      "p.yaml",
      CHAIN.replace("in: {scaled: scale}", 'in: {scaled: scale}\n    with: {file: "${steps.numbers}/numbers.txt"}'),
    );
    expect((await bench.run()).ran).toEqual(["numbers", "scale", "sum"]);
    expect((await bench.run()).ran).toEqual([]);
    expect((await bench.why("sum", { set: ["vars.count=5"] }))[0]?.verdict).toContain("as long as the steps before it");
    expect((await bench.run({ set: ["vars.count=5"] })).ran).toEqual(["numbers", "scale", "sum"]);
  });
});

describe("matrix", () => {
  const MATRIX = `
name: matrix
steps:
  numbers: {uses: numbers}
  scale:
    uses: scale
    in: {numbers: numbers}
    matrix: {f: [2, 3]}
    with: {factor: "\${matrix.f}"}
  each: {uses: sum, in: {scaled: scale}, with: {label: "factor \${matrix.f}"}}
  one: {uses: sum, in: {scaled: "scale[f=3]"}}
  all: {uses: sum, in: {scaled: "scale[f=2]"}, with: {all: ["\${steps.scale[*]}"]}}
`;

  it("expands a step, those that read it, and nothing else", async () => {
    bench.write("p.yaml", MATRIX);
    const { ran, steps } = await bench.run();
    expect(ran).toEqual(["numbers", "scale[f=2]", "scale[f=3]", "each[f=2]", "each[f=3]", "one", "all"]);
    expect(steps.flatMap(({ manifest }) => manifest?.facts.summary).filter((row) => row !== undefined)).toEqual([
      { label: "factor 2", value: "6" },
      { label: "factor 3", value: "9" },
      { label: "sum", value: "9" },
      { label: "sum", value: "6" },
    ]);
  });

  it("runs only the new value's steps when one is added", async () => {
    bench.write("p.yaml", MATRIX);
    await bench.run();
    const { ran } = await bench.run({ set: ["steps.scale.matrix.f=[2, 3, 4]"] });
    expect(ran).toEqual(["scale[f=4]", "each[f=4]", "all"]);
  });

  it("selects all of a matrix, or one", async () => {
    bench.write("p.yaml", MATRIX);
    expect((await bench.run({ until: "scale" })).ran).toEqual(["numbers", "scale[f=2]", "scale[f=3]"]);
    expect((await bench.run({ until: "each[f=3]" })).ran).toEqual(["each[f=3]"]);
  });
});

describe("services", () => {
  const SERVED = `
name: served
services:
  word: {uses: word, with: {word: "8"}}
steps:
  numbers: {uses: numbers}
  ask: {uses: fetch-word, in: {after: numbers}, with: {server: "\${services.word.url}"}}
  sum: {uses: sum, in: {scaled: ask}}
`;

  it("start when first needed and stop after their last user", async () => {
    bench.write("p.yaml", SERVED);
    const { events } = await bench.run();
    expect(serviceLog).toEqual(["start word", "stop word"]);
    const order = events
      .filter(({ type }) => type === "service" || type === "step-finished")
      .map((event) => (event.type === "service" ? event.state : event.type === "step-finished" ? event.step : ""));
    expect(order).toEqual(["numbers", "starting", "ready", "ask", "stopping", "stopped", "sum"]);
  });

  it("do not start when every step that uses them is cached, whatever their port was", async () => {
    bench.write("p.yaml", SERVED);
    await bench.run();
    serviceLog.length = 0;
    expect((await bench.run()).ran).toEqual([]);
    expect(serviceLog).toEqual([]);
  });

  it("count with what they serve", async () => {
    bench.write("p.yaml", SERVED);
    await bench.run();
    const { ran, events } = await bench.run({ set: ["services.word.with.word='9'"] });
    expect(ran).toEqual(["ask", "sum"]);
    expect(events).toContainEqual(
      expect.objectContaining({ type: "step-started", step: "ask", why: 'services.word.options.word "8" -> "9"' }),
    );
  });

  it("are stopped after a failure", async () => {
    bench.write(
      "p.yaml",
      `${SERVED}  unlucky: {uses: breaks}\n  again: {uses: fetch-word, with: {server: "\${services.word.url}"}}\n`,
    );
    expect((await bench.run()).outcome).toBe("failed");
    expect(serviceLog).toEqual(["start word", "stop word"]);
  });

  it("that do not start fail the step and what follows", async () => {
    bench.write("p.yaml", SERVED);
    const { steps, error } = await bench.run({ set: ["services.word.with.broken=true"] });
    expect(steps.map(({ state }) => state)).toEqual(["done", "failed", "skipped"]);
    expect(error).toMatchObject({ code: "SERVICE_FAILED" });
  });

  it("that die end the step that uses them", async () => {
    bench.write("p.yaml", SERVED);
    const began = performance.now();
    const { error } = await bench.run({ set: ["steps.ask.with.dieAfterMs=20000"] });
    expect(error).toMatchObject({ code: "SERVICE_FAILED", message: "the word is gone" });
    expect(performance.now() - began).toBeLessThan(5000);
  });

  it("may serve what an earlier step made", async () => {
    bench.write(
      "p.yaml",
      SERVED.replace('{word: "8"}', '{file: "${steps.numbers}"}').replace("in: {after: numbers}, ", ""),
    );
    expect((await bench.run()).ran).toEqual(["numbers", "ask", "sum"]);
    expect((await bench.run({ set: ["steps.numbers.with={count: 4}"] })).ran).toEqual(["numbers", "ask"]);
  });
});
