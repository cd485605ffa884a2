/**
 * What the tokenizer classes of transformers 5.23 make of a tokenizer.json. Qwen2Tokenizer and Qwen3_5Tokenizer take
 * vocabulary, merges and added tokens from the file and bring normalizer, split rule and decoder themselves: a file
 * with another split rule is tokenized by the class's rule, in the server and in every Python program, so here too.
 */
import { canonicalJson, isJsonObject, type JsonObject, type JsonValue } from "../base/index.js";

/** Marks (\p{M}) stand alone in the first rule and join letters in the second: that is the whole difference. */
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

/** These keep everything as the file has it. */
const FILE_CLASSES = ["PreTrainedTokenizerFast", "TokenizersBackend"];

export interface Rebuilt {
  json: JsonObject;
  changed: boolean;
  notes: string[];
}

/** Classes with rules and default tokens of their own. */
export function isQwenClass(className: string): boolean {
  return SPLIT_OF_CLASS[className] !== undefined;
}

export function rebuildForClass(json: JsonObject, className: string): Rebuilt {
  const notes: string[] = [];
  if (FILE_CLASSES.includes(className)) return { json, changed: false, notes };
  const split = SPLIT_OF_CLASS[className];
  if (split === undefined) {
    notes.push(`tokenizer class ${className} is not known here: tokenizer.json is taken as it is`);
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
    notes.push(`tokenizer.json has another ${key} than ${className}, which replaces it (as transformers does)`);
  }
  return { json: rebuilt, changed, notes };
}

/** trim_offsets moves offsets, never ids. */
function withoutOffsets(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(withoutOffsets);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => key !== "trim_offsets")
      .map(([key, member]) => [key, withoutOffsets(member)]),
  );
}
