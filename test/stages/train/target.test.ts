/** Training starts only with the model directory that its data was made with. */
import { afterEach, beforeEach, expect, it } from "vitest";
import { stage } from "../../../src/stages/train/index.js";
import { TINY_GUI } from "../../tokens/reference.js";
import { Workbench } from "../tokenize/workbench.js";

let bench: Workbench;
beforeEach(async () => {
  bench = await Workbench.open();
});
afterEach(() => bench.close());

it.each([
  ["template", "chat template"],
  ["tokenizer", "tokenizer"],
  ["processor", "image processor settings"],
])("shards made with another %s are refused by name", async (key, name) => {
  const model = { ...bench.model.fingerprints, [key]: "a".repeat(64) };
  const shards = await bench.sealed("shards", { rows: { model } }, () => Promise.resolve());
  await expect(bench.run(stage, { model: TINY_GUI, draft: {} }, { shards })).rejects.toMatchObject({
    code: "VALIDATION_FAILED",
    message: expect.stringContaining(`the shards were made with another ${name} (aaaaaaaaaaaa) than`),
    location: { field: `facts.model.${key}` },
  });
});

it("so is a verdict over other data", async () => {
  const { fingerprints } = bench.model;
  const shards = await bench.sealed("shards", { rows: { model: { ...fingerprints } } }, () => Promise.resolve());
  const validation = await bench.sealed("validation", { model: { ...fingerprints, template: "b".repeat(64) } }, () =>
    Promise.resolve(),
  );
  await expect(bench.run(stage, { model: TINY_GUI, draft: {} }, { shards, validation })).rejects.toMatchObject({
    message: expect.stringMatching(/the verdict was made with another chat template/),
  });
});
