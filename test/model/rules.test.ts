/** The layer rule, the mask-token rule, and a draft's config against its target. */
import { execFile } from "node:child_process";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import {
  type DraftConfig,
  draftProblems,
  MODEL_TYPES,
  maskTokenId,
  openModel,
  readDraftConfig,
  roundHalfEven,
  targetLayerIds,
} from "../../src/model/index.js";
import { trainerEnvironment } from "../../src/trainer-process/index.js";
import { scratchDirectory } from "../scratch/scratch.js";
import { findReference, TINY_GUI } from "../tokens/reference.js";

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

const DRAFT: DraftConfig = {
  model_type: "qwen3",
  architectures: ["DFlashDraftModel"],
  hidden_size: 256,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 64,
  intermediate_size: 512,
  vocab_size: 2048,
  max_position_embeddings: 4096,
  block_size: 8,
  rope_theta: 5_000_000,
  num_target_layers: 8,
  dflash_config: { mask_token_id: 2000, target_layer_ids: [3, 4], block_size: 8 },
};

describe("draft config", () => {
  it("a fitting draft has no problem", async () => {
    const { config } = await openModel(TINY_GUI);
    expect(draftProblems(DRAFT, config, undefined)).toEqual([]);
  });

  it.each<[string, Partial<DraftConfig>]>([
    ["hidden_size", { hidden_size: 128 }],
    ["vocab_size", { vocab_size: 100 }],
    ["num_target_layers", { num_target_layers: 9 }],
    ["max_position_embeddings", { max_position_embeddings: 1024 }],
    ["block_size", { block_size: 16 }],
    ["dflash_config.mask_token_id", { dflash_config: { ...DRAFT.dflash_config, mask_token_id: 5000 } }],
    ["dflash_config.target_layer_ids", { dflash_config: { ...DRAFT.dflash_config, target_layer_ids: [3, 7] } }],
    ["dflash_config.target_layer_ids", { dflash_config: { ...DRAFT.dflash_config, target_layer_ids: [4, 3] } }],
    ["layer_types", { layer_types: ["full_attention"] }],
    ["use_sliding_window", { layer_types: ["full_attention", "sliding_attention"], sliding_window: 64 }],
    ["block_size", { block_size: undefined, dflash_config: { ...DRAFT.dflash_config, block_size: undefined } }],
    ["dflash_config.target_layer_ids", { dflash_config: { ...DRAFT.dflash_config, target_layer_ids: [2, 4] } }],
    ["sliding_window", { sliding_window: 4, use_sliding_window: true }],
    ["rope_theta", { rope_theta: undefined }],
    ["rope_theta", { rope_theta: 10_000, rope_parameters: { rope_theta: 5_000_000 } }],
    ["rope_parameters.mrope_section", { rope_parameters: { mrope_section: [24, 20, 20] } }],
    ["rope_scaling.partial_rotary_factor", { rope_scaling: { partial_rotary_factor: 0.25 } }],
    ["sliding_window", { layer_types: ["full_attention", "sliding_attention"], use_sliding_window: true }],
  ])("%s", async (field, change) => {
    const { config } = await openModel(TINY_GUI);
    expect(draftProblems({ ...DRAFT, ...change }, config, undefined).map((problem) => problem.field)).toContain(field);
  });

  it("a directory without dflash_config is refused with the field's name", async () => {
    const dir = scratchDirectory("draft");
    try {
      const { dflash_config: _, ...rest } = DRAFT;
      await writeFile(join(dir, "config.json"), JSON.stringify(rest));
      await expect(readDraftConfig(dir)).rejects.toMatchObject({
        code: "MODEL_INVALID",
        location: { field: "dflash_config" },
      });
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });
});
