/** The layer rule and the mask-token rule. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { MODEL_TYPES, maskTokenId, roundHalfEven, targetLayerIds } from "../../src/model/index.js";
import { trainerEnvironment } from "../../src/trainer-process/index.js";
import { findReference } from "../tokens/reference.js";

const reference = await findReference();

describe("layer rule", () => {
  it.each([
    ["qwen3_vl", 36, [3, 10, 18, 25, 32]],
    ["qwen3_vl_moe", 48, [3, 13, 24, 34, 44]],
    ["qwen3_5", 32, [1, 8, 15, 22, 29]],
    ["qwen3_5_moe", 40, [1, 10, 19, 28, 37]],
  ] as const)("%s with %i layers", (type, layers, ids) => {
    expect(targetLayerIds(type, layers)).toEqual(ids);
  });

  it("rounds halves to even and gives all layers of a small target", () => {
    expect([0.5, 1.5, 2.5, 3.5, 17.5].map(roundHalfEven)).toEqual([0, 2, 2, 4, 18]);
    expect(targetLayerIds("qwen3_vl", 8)).toEqual([3, 4]);
    expect(targetLayerIds("qwen3_5", 9, 2)).toEqual([1, 6]);
    expect(() => targetLayerIds("qwen3_vl", 6)).toThrow(/no layer between 3 and 2/);
  });

  const python = "executable" in reference ? reference.executable : null;
  it.skipIf(python === null)("equals the trainer's rule in Python", async () => {
    const script =
      "import json,sys; from draftsmith_trainer.draft.layer_rule import target_layer_ids as f; print(json.dumps([list(f(*q)) for q in json.loads(sys.argv[1])]))";
    const questions = MODEL_TYPES.flatMap((type) =>
      Array.from({ length: 90 }, (_, i) => i + 7).flatMap((layers) =>
        [1, 2, 3, 5, 6, 8].map((count) => [type, layers, count] as const),
      ),
    );
    const { stdout } = await promisify(execFile)(python!, ["-c", script, JSON.stringify(questions)], {
      env: trainerEnvironment(),
      maxBuffer: 1 << 24,
    });
    expect(questions.map(([type, layers, count]) => targetLayerIds(type, layers, count))).toEqual(JSON.parse(stdout));
  });
});

describe("mask token", () => {
  const tokenizer = (size: number, own?: number) => ({
    size,
    idOf: (token: string) => (token === "<|MASK|>" ? own : undefined),
  });
  it("is the tokenizer's own, the known one, or the first spare row", () => {
    expect(maskTokenId(151936, tokenizer(151669))).toBe(151669);
    expect(maskTokenId(248320, tokenizer(248077))).toBe(248070);
    expect(maskTokenId(2048, tokenizer(2000))).toBe(2000);
    expect(maskTokenId(2048, tokenizer(2000, 17))).toBe(17);
    expect(maskTokenId(2000, tokenizer(2000))).toBeNull();
  });
});
