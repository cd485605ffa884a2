/**
 * How the tokenizer classes of transformers 5.23 interpret a tokenizer.json. Qwen2Tokenizer and Qwen3_5Tokenizer read
 * vocabulary, merges and added tokens from the file and define normalizer, split rule and decoder themselves: servers and
 * Python programs ignore the file's split rule and use the class's, so this toolkit does too.
 */
import { canonicalJson, isJsonObject, type JsonObject, type JsonValue } from "../base/index.js";

/** The rules differ only in marks (\p{M}): separate in the first, joined to letters in the second. */
const QWEN2_SPLIT =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const QWEN3_5_SPLIT =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

const SPLIT_OF_CLASS: Record<string, string> = {
  Qwen2Tokenizer: QWEN2_SPLIT,
  Qwen2TokenizerFast: QWEN2_SPLIT,
  Qwen3_5Tokenizer: QWEN3_5_SPLIT,
  Qwen3_5TokenizerFast: QWEN3_5_SPLIT,
};

/** These use the file unchanged. */
const FILE_CLASSES = ["PreTrainedTokenizerFast", "TokenizersBackend"];

export interface Rebuilt {
  json: JsonObject;
  changed: boolean;
  notes: string[];
}

/** Whether the class has its own rules and default tokens. */
export function isQwenClass(className: string): boolean {
  return SPLIT_OF_CLASS[className] !== undefined;
}

export function rebuildForClass(json: JsonObject, className: string): Rebuilt {
  const notes: string[] = [];
  if (FILE_CLASSES.includes(className)) return { json, changed: false, notes };
  const split = SPLIT_OF_CLASS[className];
  if (split === undefined) {
    notes.push(`unknown tokenizer class ${className}: tokenizer.json is used unchanged`);
    return { json, changed: false, notes };
  }
  const wanted: JsonObject = {
    normalizer: { type: "NFC" },
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: split }, behavior: "Isolated", invert: false },
        { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false },
      ],
    },
  };
  let changed = false;
  const rebuilt: JsonObject = { ...json };
  for (const [key, value] of Object.entries(wanted)) {
    if (canonicalJson(withoutOffsets(json[key] ?? null)) === canonicalJson(withoutOffsets(value))) continue;
    rebuilt[key] = value;
    changed = true;
    notes.push(`the ${key} of tokenizer.json differs from ${className}'s, which replaces it (as in transformers)`);
  }
  return { json: rebuilt, changed, notes };
}

/** trim_offsets affects offsets, never ids. */
function withoutOffsets(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(withoutOffsets);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => key !== "trim_offsets")
      .map(([key, member]) => [key, withoutOffsets(member)]),
  );
}
