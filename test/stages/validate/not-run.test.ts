/** A check that had nothing to look at is neither passed nor failed, and says what was missing. */
import { cp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { shardPath } from "../../../src/artifacts/index.js";
import type { JsonObject } from "../../../src/base/index.js";
import type { InputArtifact } from "../../../src/stages/stage.js";
import { stage as tokenize } from "../../../src/stages/tokenize/index.js";
import { CHECKS } from "../../../src/stages/validate/findings.js";
import { stage } from "../../../src/stages/validate/index.js";
import type { CheckState } from "../../../src/stages/validate/states.js";
import { TINY_GUI } from "../../tokens/reference.js";
import { declare, dialogue, SYSTEM, Workbench } from "../tokenize/workbench.js";

const TRAIN_FILE = shardPath("train", 0, 1);
const HELDOUT_FILE = shardPath("heldout", 0, 1);

let bench: Workbench;
beforeEach(async () => {
  bench = await Workbench.open();
});
afterEach(() => bench.close());

type Inputs = Partial<Record<"generations" | "dialogues" | "rows" | "shards", InputArtifact>>;

interface Seen {
  checks: CheckState[];
  /** Names of the checks in each state. */
  of(state: CheckState["state"]): string[];
  text: string;
  html: string;
  summary: unknown;
}

async function validate(options: object, inputs: Inputs): Promise<Seen> {
  const given = { model: TINY_GUI, systemPrompt: declare(SYSTEM), verifyImages: false, ...options };
  const result = await bench.run(stage, given, inputs).catch(() => undefined);
  const at = result?.path ?? bench.lastResumeDir;
  const read = (name: string): Promise<string> => readFile(join(at, name), "utf8");
  const { checks } = JSON.parse(await read("report.json")) as { checks: CheckState[] };
  return {
    checks,
    of: (wanted) => checks.filter(({ state }) => state === wanted).map(({ check }) => check),
    text: await read("report.txt"),
    html: await read("report.html"),
    summary: result?.manifest.facts.summary,
  };
}

const sources = () => [dialogue("d1", 3), dialogue("d2", 1), dialogue("d3", 2)];
const generations = async (facts: JsonObject = { chatTemplateKwargs: {} }): Promise<InputArtifact> =>
  bench.artifact("generations", await Promise.all(sources().map((source) => bench.generation(source))), facts);

describe("checks that look at nothing", () => {
  it("are not run where only dialogues are given; text, page, JSON and summary tell them from passed ones", async () => {
    const seen = await validate({}, { dialogues: await bench.artifact("dialogues", sources()) });
    expect(seen.of("ok")).toEqual(["input", "system-prompt", "rendering", "special-text"]);
    const idle = seen.of("not-run");
    expect([...seen.of("ok"), ...idle].sort()).toEqual(Object.keys(CHECKS).sort());
    for (const { state, looked, reason } of seen.checks) {
      expect(looked > 0).toBe(state === "ok");
      if (state === "not-run") expect(reason).toMatch(/\w/);
      else expect(reason).toBeUndefined();
    }
    expect(seen.text).toMatch(/^verdict: good\n/);
    expect(seen.text).toContain(`checks: 4 ok, ${idle.length} not run (${idle.join(", ")})\n`);
    expect(seen.text).toMatch(/\nmask +not run +the loss mask .*\n +\(no rows were read: give rows or shards\)\n/);
    expect(seen.text).toMatch(/\nrendering +ok /);
    expect(seen.html).toContain(`4 ok, ${idle.length} not run`);
    expect(seen.html).toMatch(/<td>mask<\/td><td><span class="quiet">not run<\/span><\/td><td class="number">0<\/td>/);
    expect(seen.html.match(/<span class="good">ok<\/span>/g)).toHaveLength(4);
    expect(seen.summary).toContainEqual({
      label: "checks",
      value: expect.stringMatching(/^4 ok, 15 not run \(history, template-arguments, /),
    });
  });

  it("are only those without data where everything but a server and a draft is given", async () => {
    const input = await generations();
    const dialogues = await bench.artifact("dialogues", sources());
    const rows = await bench.run(tokenize, { model: TINY_GUI, rowsPerFile: 2 }, { generations: input });
    const shards = await bench.sealed("shards", { rows: rows.manifest.facts }, async (directory) => {
      await cp(join(rows.path, "rows-00000.arrow"), join(directory, TRAIN_FILE));
      await cp(join(rows.path, "rows-00001.arrow"), join(directory, HELDOUT_FILE));
    });
    const seen = await validate({}, { generations: input, dialogues, rows, shards });
    expect(seen.of("not-run")).toEqual(["special-text", "server", "precision", "hidden-states", "draft"]);
    expect(seen.of("ok")).toHaveLength(Object.keys(CHECKS).length - 5);
  });

  it("have a declared system prompt to look for, or none", async () => {
    const input = { dialogues: await bench.artifact("dialogues", sources()) };
    const reasonOf = ({ checks }: Seen) => checks.find(({ check }) => check === "system-prompt")!.reason;
    expect(reasonOf(await validate({ systemPrompt: { policy: "keep" } }, input))).toBe("no system prompt is declared");
    expect(reasonOf(await validate({}, input))).toBeUndefined();
  });

  it("do not take what an artifact says of itself for an agreement", async () => {
    const stateOf = ({ checks }: Seen) => checks.find(({ check }) => check === "template-arguments")!.state;
    const input = { generations: await generations() };
    expect(stateOf(await validate({}, input))).toBe("not-run");
    expect(stateOf(await validate({ chatTemplateKwargs: {} }, input))).toBe("ok");
    expect(stateOf(await validate({ thinking: "on" }, input))).toBe("wrong");
    const rows = await bench.run(tokenize, { model: TINY_GUI }, input);
    expect(stateOf(await validate({}, { rows }))).toBe("not-run");
    expect(stateOf(await validate({}, { ...input, rows }))).toBe("ok");
  });

  it("after the first disagreement: neither passed nor blamed on the data", async () => {
    const input = await generations();
    const rows = await bench.run(tokenize, { model: TINY_GUI }, { generations: input });
    const other = { systemPrompt: declare("You operate a phone.") };
    const stopped = await validate(other, { generations: input, rows });
    const states = new Map(stopped.checks.map((state) => [state.check, state]));
    expect(states.get("system-prompt")).toMatchObject({ state: "wrong", errors: 1 });
    expect(states.get("mask")).toMatchObject({ state: "not-run", looked: 0 });
    expect(states.get("mask")!.reason).toBe("the checks ended before this one began");
    expect(stopped.text).toMatch(/\nfingerprint +ok so far /);
    const whole = await validate({ ...other, keepGoing: true }, { generations: input, rows });
    expect(whole.of("wrong")).toEqual(["system-prompt"]);
    expect(whole.text).toMatch(/\nmask +ok /);
    expect(whole.text).toMatch(/\nchecks: \d+ ok, 1 wrong \(system-prompt\), \d+ not run \(/);
  });
});
