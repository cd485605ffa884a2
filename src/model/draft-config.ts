/** A draft's config.json as SGLang reads it, and what must agree with the target. */
import { z } from "zod";
import { isJsonObject, type JsonObject } from "../base/index.js";
import { familyOf } from "./families.js";
import { modelError, readRequiredJson } from "./files.js";
import type { TargetConfig } from "./target-config.js";

const count = z.number().int().positive();

/** Keys that engines read; others pass through. `dflash_config` is read before the top level. */
export const draftConfigSchema = z.looseObject({
  model_type: z.literal("qwen3").describe("AutoConfig must know the type; the draft is a dense Qwen3 decoder"),
  architectures: z.array(z.string()).min(1).describe("the draft class by name, DFlashDraftModel for a plain one"),
  hidden_size: count.describe("the target's"),
  num_hidden_layers: count,
  num_attention_heads: count,
  num_key_value_heads: count,
  head_dim: count,
  intermediate_size: count,
  vocab_size: count.describe("the target's"),
  rms_norm_eps: z.number().positive().optional(),
  max_position_embeddings: count.describe("at least the served context, or SGLang refuses to start"),
  block_size: count.optional(),
  num_target_layers: count.describe("without it SGLang before 0.5.18 mis-sizes its buffers"),
  layer_types: z.array(z.enum(["full_attention", "sliding_attention"])).optional(),
  sliding_window: z.number().int().positive().nullish(),
  use_sliding_window: z.boolean().optional(),
  rope_theta: z.number().positive().optional(),
  partial_rotary_factor: z.number().positive().nullish(),
  rope_parameters: z.record(z.string(), z.json()).nullish(),
  rope_scaling: z.record(z.string(), z.json()).nullish(),
  dflash_config: z.looseObject({
    mask_token_id: z.number().int().nonnegative(),
    target_layer_ids: z.array(z.number().int().nonnegative()).min(1),
    block_size: z.number().int().min(2).optional(),
  }),
});
export type DraftConfig = z.infer<typeof draftConfigSchema>;

/** Reads DIR/config.json of a draft. Throws MODEL_INVALID naming the field. */
export async function readDraftConfig(dir: string): Promise<DraftConfig> {
  const { json } = await readRequiredJson(dir, "config.json", "is this a draft directory?");
  const parsed = draftConfigSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const field = issue.path.join(".");
  throw modelError(dir, "config.json", `${field}: ${issue.message}`, field);
}

export interface DraftProblem {
  field: string;
  message: string;
}

/** Why a draft cannot work with a target; empty if it can. `tokenizerMask` is the id of the tokenizer's own mask token. */
export function draftProblems(
  draft: DraftConfig,
  target: TargetConfig,
  tokenizerMask: number | undefined,
): DraftProblem[] {
  const problems: DraftProblem[] = [];
  const say = (field: string, message: string): void => {
    problems.push({ field, message: `${field} ${message}` });
  };
  if (draft.hidden_size !== target.hiddenSize)
    say("hidden_size", `is ${draft.hidden_size}, but the target's is ${target.hiddenSize}`);
  if (draft.vocab_size !== target.vocabSize)
    say("vocab_size", `is ${draft.vocab_size}, but the target's is ${target.vocabSize}`);
  if (draft.num_target_layers !== target.layers) {
    say("num_target_layers", `is ${draft.num_target_layers}, but the target has ${target.layers}`);
  }
  if (draft.max_position_embeddings < target.maxPositions) {
    say("max_position_embeddings", `is ${draft.max_position_embeddings}, below the target's ${target.maxPositions}`);
  }
  const { mask_token_id: mask, target_layer_ids: ids, block_size: block } = draft.dflash_config;
  if (mask >= target.vocabSize) say("dflash_config.mask_token_id", `${mask} is outside the vocabulary`);
  if (tokenizerMask !== undefined && tokenizerMask !== mask) {
    say("dflash_config.mask_token_id", `is ${mask}, but the tokenizer's mask token is ${tokenizerMask}`);
  }
  if (ids.some((id, index) => index > 0 && id <= ids[index - 1]!)) {
    say("dflash_config.target_layer_ids", `[${ids.join(", ")}] is not in ascending order`);
  }
  const last = Math.max(...ids);
  if (last > target.layers - 2) {
    say(
      "dflash_config.target_layer_ids",
      `contains ${last}, but SGLang can capture layers up to ${target.layers - 2} only`,
    );
  }
  const { firstLayer } = familyOf(target.modelType);
  if (target.modelType.startsWith("qwen3_vl") && Math.min(...ids) < firstLayer) {
    const message = `contains ${Math.min(...ids)}; below ${firstLayer} some engines capture a Qwen3-VL before deepstack, others after it`;
    say("dflash_config.target_layer_ids", message);
  }
  if (block === undefined && draft.block_size === undefined) say("block_size", "is missing; SGLang would assume 16");
  if (block !== undefined && draft.block_size !== undefined && block !== draft.block_size) {
    say("block_size", `is ${draft.block_size}, but dflash_config says ${block}`);
  }
  if (draft.layer_types !== undefined && draft.layer_types.length !== draft.num_hidden_layers) {
    say("layer_types", `lists ${draft.layer_types.length} layers, but the draft has ${draft.num_hidden_layers}`);
  }
  if (draft.layer_types?.includes("sliding_attention") === true) {
    if (draft.sliding_window == null)
      say("sliding_window", "is missing, but layer_types has a sliding_attention layer");
    if (draft.use_sliding_window !== true)
      say("use_sliding_window", "must be true, or Qwen3Config discards sliding_window");
  }
  const window = draft.sliding_window;
  const blockSize = block ?? draft.block_size;
  if (draft.use_sliding_window === true && window != null && blockSize !== undefined && window < blockSize) {
    say("sliding_window", `is ${window}, shorter than a block of ${blockSize}`);
  }
  sayRotary(draft, say);
  return problems;
}

/** Where engines would apply rotary embeddings differently from each other or from training. */
function sayRotary(draft: DraftConfig, say: (field: string, message: string) => void): void {
  const where = draft.rope_parameters == null ? "rope_scaling" : "rope_parameters";
  const rope = draft.rope_parameters ?? draft.rope_scaling ?? {};
  const [outer, inner] = [draft.rope_theta, rope.rope_theta];
  if (outer === undefined && typeof inner !== "number") say("rope_theta", "is missing; engines would assume 10000");
  if (outer !== undefined && typeof inner === "number" && inner !== outer) {
    say("rope_theta", `is ${outer}, but ${where} says ${inner}: engines differ in which one they read`);
  }
  if (rope.mrope_section != null) say(`${where}.mrope_section`, "is set, but no engine serves such a draft");
  const factor = rope.partial_rotary_factor;
  if (typeof factor === "number" && factor !== (draft.partial_rotary_factor ?? 1)) {
    say(`${where}.partial_rotary_factor`, `is ${factor}; SGLang reads it only at the top level, vLLM only here`);
  }
}

/** Whether a JSON value looks like a draft's config at all. */
export function isDraftConfig(json: JsonObject): boolean {
  return isJsonObject(json.dflash_config);
}
