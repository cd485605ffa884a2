/** `train --dry-run` and the pipeline's: the trainer's own plan, from configs and shards, and a refusal that ends it. */
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { ERROR_CODES } from "../../../src/base/index.js";
import { draftsmith } from "../../cli/command.js";
import { TINY_GUI } from "../../tokens/reference.js";
import { Workbench } from "../tokenize/workbench.js";
import { trainShards } from "./train-shards.js";

let bench: Workbench;
beforeEach(async () => {
  bench = await Workbench.open();
});
afterEach(() => bench.close());

const shards = () => trainShards(bench, { train: [100, 120, 5000, 80], heldout: [90] });

/** The config of a target whose experts no card can hold. */
function hugeTarget(): string {
  const directory = join(bench.root, "huge");
  mkdirSync(directory);
  for (const name of ["tokenizer.json", "tokenizer_config.json", "preprocessor_config.json", "chat_template.jinja"])
    cpSync(join(TINY_GUI, name), join(directory, name));
  const config = JSON.parse(readFileSync(join(TINY_GUI, "config.json"), "utf8")) as Record<string, object>;
  const wide = { hidden_size: 16384, intermediate_size: 65536, num_hidden_layers: 80 };
  const huge = { ...config, text_config: { ...config.text_config, ...wide } };
  writeFileSync(join(directory, "config.json"), JSON.stringify(huge));
  return directory;
}

it("plans from shards: rows, steps, memory, hours", async () => {
  const made = await shards();
  const args = ["train", "--dry-run", "--model", TINY_GUI, "--in", `shards=${made.path}`, "--epochs", "2"];
  const { code, stdout, stderr } = await draftsmith(bench.root, ...args, "--batch-size", "1");
  expect(stderr).toBe("");
  expect(code).toBe(0);
  expect(stdout).toMatch(/^parameters: target [\d.]+ M, of which [\d.]+ M are loaded/m);
  expect(stdout).toContain("rows: 3 (1 too-long left out); on average 100 tokens, 20 supervised, 1.0 pictures");
  expect(stdout).toContain("steps: 6 of 1 rows on 1 process (2 epochs");
  expect(stdout).toMatch(/^memory: \d+\.\d GiB a GPU/m);
  expect(stdout).toMatch(/^time on H100: .* rows\/s/m);
  const limited = await draftsmith(bench.root, ...args, "--batch-size", "1", "--limit", "2");
  expect(limited.stdout).toContain("steps: 4 of 1 rows on 1 process");
  expect(existsSync(join(bench.root, "out"))).toBe(false);
});

it("plans without shards by the options' limits", async () => {
  const { code, stdout } = await draftsmith(bench.root, "train", "--dry-run", "--model", TINY_GUI);
  expect(code).toBe(0);
  expect(stdout).toContain("there are no shards yet, so every row is taken for 4,096 tokens");
});

it("refuses what cannot fit, with the plan and what to change", async () => {
  const { code, stderr } = await draftsmith(bench.root, "train", "--dry-run", "--model", hugeTarget());
  expect(code).toBe(ERROR_CODES.DOES_NOT_FIT.exit);
  expect(stderr).toMatch(/error DOES_NOT_FIT: training takes [\d,.]+ GiB on each GPU/);
  expect(stderr).toMatch(/target layers [\d.]+/);
  expect(stderr).toMatch(/hint: the target's weights alone take [\d.]+ GiB: use GPUs with more memory/);
});

it("names a wrong option or model before anything else", async () => {
  const option = await draftsmith(bench.root, "train", "--dry-run", "--model", TINY_GUI, "--epochs", "-1");
  expect(option).toMatchObject({ code: 3, stderr: expect.stringContaining("epochs") });
  const model = await draftsmith(bench.root, "train", "--dry-run", "--model", join(bench.root, "nowhere"));
  expect(model).toMatchObject({ code: 6, stderr: expect.stringContaining("config.json") });
});

it("is part of a pipeline's dry run, which ends with the refusal after telling of every step", async () => {
  const made = await shards();
  const pipeline = (model: string) =>
    `name: p\nsteps:\n  train:\n    uses: train\n    in: {shards: ${made.path}}\n    with: {model: ${model}, maxSteps: 7}\n`;
  writeFileSync(join(bench.root, "p.yaml"), pipeline(TINY_GUI));
  const fits = await draftsmith(bench.root, "run", "p.yaml", "--dry-run");
  expect(fits.stderr).toBe("");
  expect(fits.stdout).toContain("steps: 7 of 2 rows on 1 process");
  writeFileSync(join(bench.root, "p.yaml"), pipeline(hugeTarget()));
  const refused = await draftsmith(bench.root, "run", "p.yaml", "--dry-run");
  expect(refused.code).toBe(ERROR_CODES.DOES_NOT_FIT.exit);
  expect(refused.stdout).toMatch(/refused: training takes/);
  expect(refused.stdout).toContain("would run 1");
  expect(refused.stderr).toContain("error DOES_NOT_FIT: train: training takes");
});
