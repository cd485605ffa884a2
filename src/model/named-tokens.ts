/** Which token is the eos, bos, unk and pad token: three places define them, and transformers reads them in this order. */
import { isJsonObject, type JsonObject, type JsonValue } from "../base/index.js";
import { TOKENIZER_CONFIG_FILE, TOKENS_MAP_FILE } from "./files.js";

export const NAMES = ["bos_token", "eos_token", "unk_token", "pad_token"] as const;
/** Fields with further special tokens, as a list or as an object from name to token. */
const LISTS = ["additional_special_tokens", "extra_special_tokens", "model_specific_special_tokens"] as const;

/** Defaults of Qwen's own classes, if no file names these tokens. */
const CLASS_DEFAULTS = { eos_token: "<|endoftext|>", unk_token: "<|endoftext|>", pad_token: "<|endoftext|>" };

export interface NamedTokens {
  /** `eos_token` etc. as templates see them; null or undefined ones are left out. */
  tokens: Record<string, string>;
  /** Every token that a file declares special, with the file and field. */
  claims: { file: string; field: string; token: string }[];
  notes: string[];
}

/**
 * Class defaults, then tokenizer_config.json (where null means none), then special_tokens_map.json, which 4.57
 * writes and 5.x still reads.
 */
export function namedTokens(isQwenClass: boolean, config: JsonObject | null, map: JsonObject | null): NamedTokens {
  const tokens: Record<string, string> = {};
  const claims: NamedTokens["claims"] = [];
  const notes: string[] = [];
  for (const field of NAMES) {
    const inConfig = contentOf(config?.[field]);
    const inMap = contentOf(map?.[field]);
    if (inMap !== null && inConfig !== null && inMap !== inConfig) {
      notes.push(
        `${TOKENS_MAP_FILE} says ${field} is ${JSON.stringify(inMap)}, ${TOKENIZER_CONFIG_FILE} says ${JSON.stringify(inConfig)}: transformers uses ${JSON.stringify(inMap)}`,
      );
    }
    const isSilent = config === null || config[field] === undefined;
    const fallback = isQwenClass && isSilent && field !== "bos_token" ? CLASS_DEFAULTS[field] : null;
    const chosen = inMap ?? inConfig ?? fallback;
    if (chosen !== null) tokens[field] = chosen;
    if (inConfig !== null) claims.push({ file: TOKENIZER_CONFIG_FILE, field, token: inConfig });
    if (inMap !== null) claims.push({ file: TOKENS_MAP_FILE, field, token: inMap });
  }
  for (const [file, json] of [
    [TOKENIZER_CONFIG_FILE, config],
    [TOKENS_MAP_FILE, map],
  ] as const) {
    for (const field of LISTS) {
      const list = json?.[field];
      const entries = Array.isArray(list) ? list : isJsonObject(list) ? Object.values(list) : [];
      for (const entry of entries) {
        const token = contentOf(entry);
        if (token !== null) claims.push({ file, field, token });
      }
    }
  }
  return { tokens, claims, notes };
}

/** A token is a string, or an object with the string as `content`. */
function contentOf(value: JsonValue | undefined): string | null {
  const content = isJsonObject(value) ? value.content : value;
  return typeof content === "string" ? content : null;
}
