/** A draft's config.json as SGLang reads it, and what must agree with the target. */
import { z } from "zod";
import { familyOf } from "./families.js";
import { modelError, readRequiredJson } from "./files.js";
import { knownMaskId, MASK_TOKEN } from "./mask-token.js";
import type { TargetConfig } from "./target-config.js";
import type { TokenizerFiles } from "./tokenizer-files.js";

const count = z.number().int().positive();
const id = z.number().int().nonnegative();
/** What some drafts leave out and others write as null. */
const rotarySettings = z.looseObject({
  rope_theta: z.number().positive().nullish(),
  partial_rotary_factor: z.number().positive().nullish(),
  mrope_section: z.array(z.number().int()).nullish(),
});

/** Draft classes that the trainer can build; test/contract/draft-configs.json holds both lists to each other. */
export const DRAFT_ARCHITECTURES = ["DFlashDraftModel"] as const;

/** Keys that engines read; others pass through. `dflash_config` is read before the top level. Null is absence. */
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
  rms_norm_eps: z.number().positive().nullish(),
  max_position_embeddings: count.describe("at least the served context, or SGLang refuses to start"),
  block_size: z.number().int().min(2).nullish(),
  num_target_layers: count.describe("without it SGLang before 0.5.18 mis-sizes its buffers"),
  layer_types: z
    .array(z.enum(["full_attention", "sliding_attention"]))
    .min(1)
    .nullish(),
  sliding_window: count.nullish(),
  use_sliding_window: z.boolean().nullish(),
  rope_theta: z.number().positive().nullish(),
  partial_rotary_factor: z.number().positive().nullish(),
  rope_parameters: rotarySettings.nullish(),
  rope_scaling: rotarySettings.nullish(),
  bos_token_id: id.nullish(),
  eos_token_id: z.union([id, z.array(id).min(1)]).nullish(),
  dtype: z.string().nullish(),
  torch_dtype: z.string().nullish(),
  dflash_config: z.looseObject({
    mask_token_id: id,
    target_layer_ids: z.array(id).min(1),
    block_size: z.number().int().min(2).nullish(),
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
  /** warning: some engines serve such a draft well. */
  severity: "error" | "warning";
}

type Say = (field: string, message: string, severity?: DraftProblem["severity"]) => void;

/**
 * Why a draft cannot work with a target; empty if it can. Its counterpart in Python is `served_problems` in
 * draftsmith_trainer/algorithms/contract.py; the cases in test/contract/draft-configs.json hold both to the same
 * verdicts.
 *
 * @param tokenizer - the target's
 */
export function draftProblems(
  draft: DraftConfig,
  target: TargetConfig,
  tokenizer: Pick<TokenizerFiles, "idOf" | "tokenOf">,
): DraftProblem[] {
  const problems: DraftProblem[] = [];
  const say: Say = (field, message, severity = "error") => {
    problems.push({ field, message: `${field} ${message}`, severity });
  };
  sayArchitecture(draft, say);
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
  sayMask(draft, target, tokenizer, say);
  sayCapturedLayers(draft, target, say);
  sayBlocksAndWindows(draft, say);
  sayRotary(draft, say);
  return problems;
}

function sayArchitecture(draft: DraftConfig, say: Say): void {
  const known: readonly string[] = DRAFT_ARCHITECTURES;
  if (!draft.architectures.some((name) => known.includes(name))) {
    say("architectures", `is ${draft.architectures.join(", ")}; known: ${known.join(", ")}`);
  }
  const { num_attention_heads: heads, num_key_value_heads: keyHeads } = draft;
  if (heads % keyHeads !== 0) {
    say("num_key_value_heads", `is ${keyHeads}, which does not divide the ${heads} attention heads`);
  }
}

function sayMask(
  draft: DraftConfig,
  target: TargetConfig,
  tokenizer: Pick<TokenizerFiles, "idOf" | "tokenOf">,
  say: Say,
): void {
  const field = "dflash_config.mask_token_id";
  const mask = draft.dflash_config.mask_token_id;
  if (mask >= target.vocabSize) say(field, `${mask} is outside the vocabulary`);
  const own = tokenizer.idOf(MASK_TOKEN);
  const token = tokenizer.tokenOf(mask);
  if (own !== undefined && own !== mask) say(field, `is ${mask}, but the tokenizer's mask token is ${own}`);
  // Published drafts of Qwen3.5 and later mask with a token of the tokenizer that stands for sound: no text holds it.
  else if (own !== mask && token !== undefined && mask !== knownMaskId(target.vocabSize)) {
    say(field, `${mask} is the token ${JSON.stringify(token)}, which text can hold`, "warning");
  }
}

function sayCapturedLayers(draft: DraftConfig, target: TargetConfig, say: Say): void {
  const field = "dflash_config.target_layer_ids";
  const ids = draft.dflash_config.target_layer_ids;
  if (ids.some((layer, index) => index > 0 && layer <= ids[index - 1]!)) {
    say(field, `[${ids.join(", ")}] is not in ascending order`);
  }
  const [first, last] = [Math.min(...ids), Math.max(...ids)];
  if (last > target.layers - 2) {
    say(field, `contains ${last}, but SGLang can capture layers up to ${target.layers - 2} only`);
  }
  const { firstLayer } = familyOf(target.modelType);
  if (target.modelType.startsWith("qwen3_vl") && first < firstLayer) {
    const message = `contains ${first}; below ${firstLayer} some engines capture a Qwen3-VL before deepstack, others after it`;
    say(field, message);
  }
}

function sayBlocksAndWindows(draft: DraftConfig, say: Say): void {
  const block = draft.dflash_config.block_size ?? draft.block_size;
  if (block == null) say("block_size", "is missing; SGLang would assume 16");
  if (draft.block_size != null && block !== draft.block_size) {
    say("block_size", `is ${draft.block_size}, but dflash_config says ${block}`);
  }
  const { layer_types: types, sliding_window: window, use_sliding_window: slides } = draft;
  if (types != null && types.length !== draft.num_hidden_layers) {
    say("layer_types", `lists ${types.length} layers, but the draft has ${draft.num_hidden_layers}`);
  }
  if (types?.includes("sliding_attention") === true) {
    if (window == null) say("sliding_window", "is missing, but layer_types has a sliding_attention layer");
    if (slides !== true) say("use_sliding_window", "must be true, or Qwen3Config discards sliding_window");
  }
  if (slides === true && window != null && block != null && window < block) {
    say("sliding_window", `is ${window}, shorter than a block of ${block}`);
  }
}

/** Where engines would apply rotary embeddings differently from each other or from training. */
function sayRotary(draft: DraftConfig, say: Say): void {
  const where = draft.rope_parameters == null ? "rope_scaling" : "rope_parameters";
  const rope = draft.rope_parameters ?? draft.rope_scaling ?? {};
  const [outer, inner] = [draft.rope_theta, rope.rope_theta];
  if (outer == null && inner == null) say("rope_theta", "is missing; engines would assume 10000");
  if (outer != null && inner != null && inner !== outer) {
    say("rope_theta", `is ${outer}, but ${where} says ${inner}: engines differ in which one they read`);
  }
  if (rope.mrope_section != null) say(`${where}.mrope_section`, "is set, but no engine serves such a draft");
  const [top, nested] = [draft.partial_rotary_factor, rope.partial_rotary_factor];
  if ((top ?? 1) !== (nested ?? 1)) {
    const field = nested == null ? "partial_rotary_factor" : `${where}.partial_rotary_factor`;
    say(field, "is set in one place only: SGLang reads it at the top level, vLLM in the rotary settings");
  }
  const factor = top ?? nested ?? 1;
  const rotated = factor === 1 ? draft.head_dim : Math.trunc(draft.head_dim * factor);
  if (rotated < 2 || rotated % 2 === 1) {
    say("head_dim", `gives a rotated width of ${rotated}, which must be even and at least 2`);
  } else if (factor !== 1 && rope.mrope_section == null) {
    say("partial_rotary_factor", `is ${factor}; only SGLang 0.5.20 and newer and vLLM serve it`, "warning");
  }
}
