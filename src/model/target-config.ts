/** The fields of a target's config.json that the toolkit uses, in the forms that transformers 4.57 and 5.x write. */
import { canonicalJson, isJsonObject, type JsonObject, type JsonValue } from "../base/index.js";
import { isModelType, MODEL_TYPES, type ModelType } from "./families.js";
import { modelError } from "./files.js";

export interface TargetConfig {
  modelType: ModelType;
  vocabSize: number;
  hiddenSize: number;
  layers: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  ropeTheta: number;
  /** Fraction of each head that is rotated; 1 for Qwen3-VL. */
  partialRotaryFactor: number;
  mropeSection: number[] | null;
  maxPositions: number;
  rmsNormEps: number;
  tiedEmbeddings: boolean;
  vision: { patchSize: number; mergeSize: number; temporalPatchSize: number };
  imageTokenId: number;
  videoTokenId: number;
  visionStartTokenId: number;
  visionEndTokenId: number;
  /** From config.json, of the whole model and of its text part; generation_config.json may add more. */
  eosTokenIds: number[];
  bosTokenId: number | null;
}

export const CONFIG_FILE = "config.json";

class Section {
  constructor(
    private readonly dir: string,
    private readonly path: string,
    private readonly json: JsonObject,
  ) {}

  fail(key: string, message: string): Error {
    const field = this.path === "" ? key : `${this.path}.${key}`;
    return modelError(this.dir, CONFIG_FILE, `${field} ${message}`, field);
  }

  get(key: string): JsonValue | undefined {
    return this.json[key];
  }

  int(key: string): number {
    const value = this.json[key];
    if (value === undefined || value === null) throw this.fail(key, "is missing");
    if (typeof value !== "number" || !Number.isInteger(value) || value < 0) {
      throw this.fail(key, `must be a whole number, not ${JSON.stringify(value)}`);
    }
    return value;
  }

  number(key: string, fallback?: number): number {
    const value = this.json[key] ?? fallback;
    if (value === undefined) throw this.fail(key, "is missing");
    if (typeof value !== "number") throw this.fail(key, `must be a number, not ${JSON.stringify(value)}`);
    return value;
  }

  section(key: string): Section {
    const value = this.json[key];
    if (value === undefined || value === null) throw this.fail(key, "is missing");
    if (!isJsonObject(value)) throw this.fail(key, "must be an object");
    return new Section(this.dir, this.path === "" ? key : `${this.path}.${key}`, value);
  }

  optionalSection(key: string): Section | null {
    return isJsonObject(this.json[key]) ? this.section(key) : null;
  }
}

/** Checks and reads config.json. Throws MODEL_INVALID naming the field. */
export function parseTargetConfig(dir: string, json: JsonObject): TargetConfig {
  const top = new Section(dir, "", json);
  const modelType = json.model_type;
  if (!isModelType(modelType)) {
    throw modelError(
      dir,
      CONFIG_FILE,
      `model_type ${JSON.stringify(modelType ?? null)} is not supported`,
      "model_type",
      `supported are ${MODEL_TYPES.join(", ")}`,
    );
  }
  const text = top.section("text_config");
  const vision = top.section("vision_config");
  const hiddenSize = text.int("hidden_size");
  const heads = text.int("num_attention_heads");
  // Without it transformers assumes the family's own width, other programs hidden_size / heads.
  const headDim = text.int("head_dim");
  const ropeTheta = ropeValue(text, "rope_theta");
  if (typeof ropeTheta !== "number") throw text.fail("rope_theta", "is missing, also from rope_parameters");
  const partial = ropeValue(text, "partial_rotary_factor");
  const isQwen35 = modelType === "qwen3_5" || modelType === "qwen3_5_moe";
  const partialRotaryFactor = typeof partial === "number" ? partial : isQwen35 ? 0.25 : 1;
  const mropeSection = numberList(ropeValue(text, "mrope_section"));
  if (mropeSection !== null) {
    const sum = mropeSection.reduce((a, b) => a + b, 0);
    // transformers accepts a wrong sum without a warning.
    if (sum !== (headDim * partialRotaryFactor) / 2) {
      throw text.fail(
        "rope_parameters.mrope_section",
        `sums to ${sum}, but half of the rotated head is ${(headDim * partialRotaryFactor) / 2}`,
      );
    }
  }
  const bos = text.get("bos_token_id") ?? json.bos_token_id;
  return {
    modelType,
    vocabSize: text.int("vocab_size"),
    hiddenSize,
    layers: text.int("num_hidden_layers"),
    heads,
    kvHeads: text.int("num_key_value_heads"),
    headDim,
    ropeTheta,
    partialRotaryFactor,
    mropeSection,
    maxPositions: text.int("max_position_embeddings"),
    rmsNormEps: text.number("rms_norm_eps", 1e-6),
    // transformers reads the top-level key only.
    tiedEmbeddings: json.tie_word_embeddings === true,
    vision: {
      patchSize: vision.int("patch_size"),
      mergeSize: vision.int("spatial_merge_size"),
      temporalPatchSize: vision.int("temporal_patch_size"),
    },
    imageTokenId: top.int("image_token_id"),
    videoTokenId: top.int("video_token_id"),
    visionStartTokenId: top.int("vision_start_token_id"),
    visionEndTokenId: top.int("vision_end_token_id"),
    eosTokenIds: [...new Set([...idsOf(text.get("eos_token_id")), ...idsOf(json.eos_token_id)])],
    bosTokenId: typeof bos === "number" ? bos : null,
  };
}

/**
 * A setting of the rotary embedding, which configs hold in up to three places: transformers 4.57 writes `rope_scaling`
 * with the rest beside it, 5.x writes `rope_parameters`. Programs differ in which place they read first.
 */
function ropeValue(text: Section, key: string): JsonValue | undefined {
  const places: [string, JsonValue | undefined][] = [
    [`rope_parameters.${key}`, text.optionalSection("rope_parameters")?.get(key)],
    [`rope_scaling.${key}`, text.optionalSection("rope_scaling")?.get(key)],
    [key, text.get(key)],
  ];
  const [first, ...others] = places.filter(([, value]) => value !== undefined && value !== null);
  for (const [place, value] of others) {
    if (canonicalJson(value!) === canonicalJson(first![1]!)) continue;
    const [one, other] = [JSON.stringify(first![1]), JSON.stringify(value)];
    throw text.fail(first![0], `is ${one}, but text_config.${place} is ${other}: programs differ in which they read`);
  }
  return first?.[1];
}

/** The ids in a field that holds one, a list, or none. */
export function idsOf(value: JsonValue | undefined): number[] {
  return typeof value === "number" ? [value] : (numberList(value) ?? []);
}

/** A list of numbers, or null for any other value. */
export function numberList(value: JsonValue | undefined): number[] | null {
  if (!Array.isArray(value)) return null;
  return value.every((item) => typeof item === "number") ? (value as number[]) : null;
}
