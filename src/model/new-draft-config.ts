/**
 * The config of a new draft for a target, by the layer rule. The trainer derives the same values in Python
 * (draft/geometry.py); a test compares the two.
 */
import { DraftsmithError, type JsonObject } from "../base/index.js";
import { CAPTURED_LAYERS, targetLayerIds } from "./layer-rule.js";
import type { TargetConfig } from "./target-config.js";

export const ROTARY_MODES = ["plain", "partial", "mrope"] as const;
/** plain: 1-D positions over the whole head. partial: over its first part. mrope: the target's 3-D positions. */
export type RotaryMode = (typeof ROTARY_MODES)[number];

export interface NewDraft {
  /** Decoder layers of the draft. */
  layers: number;
  /** Tokens of a block, the anchor included. */
  blockSize: number;
  rotary: RotaryMode;
  maskTokenId: number;
  /** As the draft's config.json names them: of generation_config.json if there is one. */
  bosTokenId: number | null;
  eosTokenId: number | null;
}

/**
 * What engines load as config.json, with its keys in alphabetical order. A draft with mrope has the form in which its
 * authors published such configs (`model_type` qwen3_vl_text, the sections in `rope_scaling`); no engine serves it.
 *
 * @throws DraftsmithError MODEL_INVALID if the target has no layer to capture, or the mode does not suit it
 */
export function newDraftConfig(target: TargetConfig, draft: NewDraft): JsonObject {
  const ids = targetLayerIds(target.modelType, target.layers, CAPTURED_LAYERS);
  return sorted({
    architectures: ["DFlashDraftModel"],
    attention_bias: false,
    attention_dropout: 0,
    block_size: draft.blockSize,
    bos_token_id: draft.bosTokenId,
    dflash_config: { block_size: draft.blockSize, mask_token_id: draft.maskTokenId, target_layer_ids: ids },
    // Of the served weights; a training keeps its own in fp32.
    dtype: "bfloat16",
    eos_token_id: draft.eosTokenId,
    head_dim: target.headDim,
    hidden_act: "silu",
    hidden_size: target.hiddenSize,
    intermediate_size: 3 * target.hiddenSize,
    layer_types: Array.from({ length: draft.layers }, () => "full_attention"),
    max_position_embeddings: target.maxPositions,
    max_window_layers: draft.layers,
    model_type: draft.rotary === "mrope" ? "qwen3_vl_text" : "qwen3",
    num_attention_heads: target.heads,
    num_hidden_layers: draft.layers,
    num_key_value_heads: target.kvHeads,
    num_target_layers: target.layers,
    rms_norm_eps: target.rmsNormEps,
    rope_theta: target.ropeTheta,
    sliding_window: null,
    tie_word_embeddings: false,
    torch_dtype: "bfloat16",
    use_cache: true,
    use_sliding_window: false,
    vocab_size: target.vocabSize,
    ...rotaryKeys(target, draft.rotary),
  });
}

/** SGLang reads the factor at the top level only, vLLM in rope_parameters only: it is written to both or to neither. */
function rotaryKeys(target: TargetConfig, rotary: RotaryMode): JsonObject {
  const factor = target.partialRotaryFactor;
  const rope: JsonObject = { rope_theta: target.ropeTheta, rope_type: "default" };
  if (rotary === "plain") return { rope_parameters: rope, rope_scaling: null };
  const partial = factor === 1 ? {} : { partial_rotary_factor: factor };
  if (rotary === "partial") {
    if (factor === 1) {
      throw new DraftsmithError(
        "MODEL_INVALID",
        "the target rotates the whole head, so a partial draft is a plain one",
        {
          location: { field: "rotary" },
          hint: "choose plain",
        },
      );
    }
    return { ...partial, rope_parameters: { ...rope, ...partial }, rope_scaling: null };
  }
  if (target.mropeSection === null) {
    throw new DraftsmithError("MODEL_INVALID", "the target's config.json has no mrope_section", {
      location: { field: "rotary" },
      hint: "choose plain",
    });
  }
  const sections = { mrope_interleaved: true, mrope_section: target.mropeSection, rope_type: "default" };
  return { ...partial, rope_scaling: sections };
}

function sorted(config: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(config).sort(([a], [b]) => (a < b ? -1 : 1)));
}
