export * from "./draft-config.js";
export { familyOf, isModelType, MODEL_TYPES, type ModelType } from "./families.js";
export * from "./layer-rule.js";
export { MASK_TOKEN, maskTokenId } from "./mask-token.js";
export * from "./open.js";
export { differingKeys, type ProcessorSettings } from "./processor-settings.js";
export { SPECIAL_TEXT, type SpecialIds } from "./special-ids.js";
export { parseTargetConfig, type TargetConfig } from "./target-config.js";
export type { AddedToken, TokenizerFiles } from "./tokenizer-files.js";
