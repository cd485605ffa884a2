/** Reads tokenizer.json and tokenizer_config.json, and determines what transformers would build from them. */
import { isJsonObject, type JsonObject, type JsonValue } from "../base/index.js";
import { familyOf, type ModelType } from "./families.js";
import {
  modelError,
  readOptionalJson,
  readRequiredJson,
  TOKENIZER_CONFIG_FILE,
  TOKENIZER_FILE,
  TOKENS_MAP_FILE,
} from "./files.js";
import { namedTokens } from "./named-tokens.js";
import { checkTokenClaims } from "./token-claims.js";
import { isQwenClass, rebuildForClass } from "./tokenizer-class.js";

export interface AddedToken {
  id: number;
  content: string;
  /** Decoding for people strips special tokens and keeps the others (`<think>`, `<tool_call>`). Any of the files can set it. */
  special: boolean;
}

export interface TokenizerFiles {
  /** The contents of tokenizer.json; the fingerprint is their digest. */
  text: string;
  /** The tokenizer that transformers 5.23 ends up with, as tokenizer.json text. */
  effectiveJson: string;
  addedTokens: AddedToken[];
  idOf(token: string): number | undefined;
  tokenOf(id: number): string | undefined;
  /** One more than the highest id that has a token. */
  size: number;
  /** `bos_token`, `eos_token` etc. as templates see them; absent ones are left out. */
  specialTokens: Record<string, string>;
  config: JsonObject | null;
  notes: string[];
}

/** Reads both files and the others that define tokens. Throws MODEL_INVALID if they are missing or contradict each other. */
export async function readTokenizerFiles(dir: string, modelType: ModelType): Promise<TokenizerFiles> {
  const file = await readRequiredJson(
    dir,
    TOKENIZER_FILE,
    "the toolkit reads tokenizer.json only: convert vocab.json and merges.txt by saving the tokenizer with transformers",
  );
  const config = await readOptionalJson(dir, TOKENIZER_CONFIG_FILE);
  const notes: string[] = [];
  if (config === null) notes.push(`${TOKENIZER_CONFIG_FILE} is missing: named tokens default to the tokenizer class's`);
  const model = file.json.model;
  if (!isJsonObject(model) || model.type !== "BPE" || !isJsonObject(model.vocab)) {
    throw modelError(dir, TOKENIZER_FILE, "model is not a BPE vocabulary", "model.type");
  }
  const entries = readAddedTokens(dir, file.json.added_tokens);
  const addedTokens = entries.map(({ token }) => token);
  checkNumbering(dir, addedTokens, model.vocab);
  const ids = new Map<string, number>();
  for (const [token, id] of Object.entries(model.vocab)) if (typeof id === "number") ids.set(token, id);
  for (const token of addedTokens) ids.set(token.content, token.id);
  const tokens = new Map<number, string>();
  let size = 0;
  for (const [token, id] of ids) {
    tokens.set(id, token);
    if (id >= size) size = id + 1;
  }
  const className = classNameOf(modelType, config?.json ?? null);
  const map = await readOptionalJson(dir, TOKENS_MAP_FILE);
  const named = namedTokens(isQwenClass(className), config?.json ?? null, map?.json ?? null);
  notes.push(...named.notes);
  const known = { dir, ids, addedTokens, entries: entries.map(({ json }) => json) };
  await checkTokenClaims(known, config?.json ?? null, named);
  const special = new Set(named.claims.map(({ token }) => token));
  const rebuilt = rebuildForClass(file.json, className);
  notes.push(...rebuilt.notes);
  return {
    text: file.text,
    effectiveJson: rebuilt.changed ? JSON.stringify(rebuilt.json) : file.text,
    addedTokens: addedTokens.map((token) => ({ ...token, special: token.special || special.has(token.content) })),
    idOf: (token) => ids.get(token),
    tokenOf: (id) => tokens.get(id),
    size,
    specialTokens: named.tokens,
    config: config?.json ?? null,
    notes,
  };
}

/** The class that transformers 5.23 builds: forced by the family, named in tokenizer_config.json, or the family's default. */
function classNameOf(modelType: ModelType, config: JsonObject | null): string {
  const { forcedTokenizerClass, usualTokenizerClass } = familyOf(modelType);
  if (forcedTokenizerClass !== null) return forcedTokenizerClass;
  return typeof config?.tokenizer_class === "string" ? config.tokenizer_class : usualTokenizerClass;
}

function readAddedTokens(dir: string, value: JsonValue | undefined): { token: AddedToken; json: JsonObject }[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw modelError(dir, TOKENIZER_FILE, "added_tokens is not a list", "added_tokens");
  return value.map((entry, index) => {
    if (!isJsonObject(entry) || typeof entry.id !== "number" || typeof entry.content !== "string") {
      throw modelError(dir, TOKENIZER_FILE, "an added token lacks id or content", `added_tokens[${index}]`);
    }
    return { token: { id: entry.id, content: entry.content, special: entry.special === true }, json: entry };
  });
}

/**
 * transformers' Qwen classes read vocabulary and merges from the file and renumber the added tokens from the vocabulary's
 * size on: if the file's ids have gaps, every special token would get a different id.
 */
function checkNumbering(dir: string, addedTokens: readonly AddedToken[], vocab: JsonObject): void {
  let next = Object.keys(vocab).length;
  for (const { id, content } of [...addedTokens].sort((a, b) => a.id - b.id)) {
    const inVocabulary = Object.hasOwn(vocab, content);
    const expected = inVocabulary ? vocab[content] : next;
    if (id !== expected) {
      const message = `gives ${content} the id ${id}, but transformers would give it ${JSON.stringify(expected)}: the ids have gaps`;
      throw modelError(dir, TOKENIZER_FILE, message, "added_tokens");
    }
    if (!inVocabulary) next += 1;
  }
}
