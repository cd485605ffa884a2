/** The supported model types and how they differ. */

export const MODEL_TYPES = ["qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe"] as const;
export type ModelType = (typeof MODEL_TYPES)[number];

export interface Family {
  /** First layer of the rule: Qwen3-VL adds deepstack features after layers 0..2, and engines capture these differently. */
  firstLayer: number;
  /** The rule's last layer is `layers - lastLayerOffset`. */
  lastLayerOffset: number;
  /**
   * The tokenizer class that transformers 5.23 builds regardless of the files; it has its own split rule.
   * null: tokenizer_config.json names the class.
   */
  forcedTokenizerClass: string | null;
  /** The class if no file names one. */
  usualTokenizerClass: string;
}

const QWEN3_VL: Family = {
  firstLayer: 3,
  lastLayerOffset: 4,
  forcedTokenizerClass: null,
  usualTokenizerClass: "Qwen2Tokenizer",
};
const QWEN3_5: Family = {
  firstLayer: 1,
  lastLayerOffset: 3,
  forcedTokenizerClass: "Qwen3_5Tokenizer",
  usualTokenizerClass: "Qwen3_5Tokenizer",
};

const FAMILIES: Record<ModelType, Family> = {
  qwen3_vl: QWEN3_VL,
  qwen3_vl_moe: QWEN3_VL,
  qwen3_5: QWEN3_5,
  qwen3_5_moe: QWEN3_5,
};

export function familyOf(modelType: ModelType): Family {
  return FAMILIES[modelType];
}

export function isModelType(value: unknown): value is ModelType {
  return typeof value === "string" && (MODEL_TYPES as readonly string[]).includes(value);
}
