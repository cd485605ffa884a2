/** tokenizer.json and tokenizer_config.json: what transformers builds from them, found without building it. */
import { isJsonObject, type JsonObject, type JsonValue } from "../base/index.js";
import { familyOf, type ModelType } from "./families.js";
import { modelError, readOptionalJson, readRequiredJson } from "./files.js";
import { rebuildForClass } from "./tokenizer-class.js";

export const TOKENIZER_FILE = "tokenizer.json";
export const TOKENIZER_CONFIG_FILE = "tokenizer_config.json";

export interface AddedToken {
  id: number;
  content: string;
  /** Special tokens are stripped from text for people; the others (`<think>`, `<tool_call>`) stay. */
  special: boolean;
}

export interface TokenizerFiles {
  /** The bytes of tokenizer.json as text; its fingerprint is taken of these. */
  text: string;
  /** The tokenizer that transformers 5.23 ends up with, as tokenizer.json text. */
  effectiveJson: string;
  addedTokens: AddedToken[];
  idOf(token: string): number | undefined;
  tokenOf(id: number): string | undefined;
  /** One above the highest id that has a token. */
  size: number;
  /** `bos_token`, `eos_token`, ... as templates see them; absent ones are left out. */
  specialTokens: Record<string, string>;
  config: JsonObject | null;
  notes: string[];
}

/** Reads both files. Throws MODEL_INVALID where they are missing or contradict each other. */
export async function readTokenizerFiles(dir: string, modelType: ModelType): Promise<TokenizerFiles> {
  const file = await readRequiredJson(
    dir,
    TOKENIZER_FILE,
    "the toolkit reads tokenizer.json only: convert vocab.json and merges.txt by saving the tokenizer with transformers",
  );
  const config = await readOptionalJson(dir, TOKENIZER_CONFIG_FILE);
  const notes: string[] = [];
  if (config === null) notes.push(`${TOKENIZER_CONFIG_FILE} is missing: no eos_token or other named tokens`);
  const model = file.json.model;
  if (!isJsonObject(model) || model.type !== "BPE" || !isJsonObject(model.vocab)) {
    throw modelError(dir, TOKENIZER_FILE, "model is not a BPE vocabulary", "model.type");
  }
  const addedTokens = readAddedTokens(dir, file.json.added_tokens);
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
  if (config !== null) checkConfigTokens(dir, config.json, ids);
  const className =
    familyOf(modelType).forcedTokenizerClass ??
    (typeof config?.json.tokenizer_class === "string" ? config.json.tokenizer_class : null);
  const rebuilt = rebuildForClass(file.json, className);
  notes.push(...rebuilt.notes);
  return {
    text: file.text,
    effectiveJson: rebuilt.changed ? JSON.stringify(rebuilt.json) : file.text,
    addedTokens,
    idOf: (token) => ids.get(token),
    tokenOf: (id) => tokens.get(id),
    size,
    specialTokens: namedTokens(config?.json ?? {}),
    config: config?.json ?? null,
    notes,
  };
}

function readAddedTokens(dir: string, value: JsonValue | undefined): AddedToken[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw modelError(dir, TOKENIZER_FILE, "added_tokens is not a list", "added_tokens");
  return value.map((entry, index) => {
    if (!isJsonObject(entry) || typeof entry.id !== "number" || typeof entry.content !== "string") {
      throw modelError(dir, TOKENIZER_FILE, "an added token lacks id or content", `added_tokens[${index}]`);
    }
    return { id: entry.id, content: entry.content, special: entry.special === true };
  });
}

/**
 * transformers' Qwen classes take vocabulary and merges from the file and number the added tokens anew, from the size of
 * the vocabulary on: in a file with gaps every special token would get another id than it says.
 */
function checkNumbering(dir: string, addedTokens: readonly AddedToken[], vocab: JsonObject): void {
  let next = Object.keys(vocab).length;
  for (const { id, content } of [...addedTokens].sort((a, b) => a.id - b.id)) {
    const inVocabulary = Object.hasOwn(vocab, content);
    const expected = inVocabulary ? vocab[content] : next;
    if (id !== expected) {
      const message = `gives ${content} the id ${id}, but transformers numbers it ${JSON.stringify(expected)}: the ids have gaps`;
      throw modelError(dir, TOKENIZER_FILE, message, "added_tokens");
    }
    if (!inVocabulary) next += 1;
  }
}

/** Tokens that tokenizer_config.json names must be the same in tokenizer.json: transformers would add or move them. */
function checkConfigTokens(dir: string, config: JsonObject, ids: ReadonlyMap<string, number>): void {
  const fail = (field: string, message: string): Error => modelError(dir, TOKENIZER_CONFIG_FILE, message, field);
  const decoder = config.added_tokens_decoder;
  if (isJsonObject(decoder)) {
    for (const [id, entry] of Object.entries(decoder)) {
      const content = isJsonObject(entry) ? entry.content : undefined;
      if (typeof content !== "string" || ids.get(content) === Number(id)) continue;
      throw fail(
        `added_tokens_decoder.${id}`,
        `gives id ${id} to ${JSON.stringify(content)}, ${TOKENIZER_FILE} gives it ${ids.get(content) ?? "none"}`,
      );
    }
  }
  for (const [field, token] of Object.entries(namedTokens(config))) {
    if (!ids.has(token)) throw fail(field, `${field} ${JSON.stringify(token)} is not in ${TOKENIZER_FILE}`);
  }
  for (const field of ["additional_special_tokens", "extra_special_tokens"]) {
    const list = config[field];
    const tokens = Array.isArray(list) ? list : isJsonObject(list) ? Object.values(list) : [];
    for (const entry of tokens) {
      const token = isJsonObject(entry) ? entry.content : entry;
      if (typeof token === "string" && !ids.has(token)) {
        throw fail(field, `${field} holds ${JSON.stringify(token)}, which is not in ${TOKENIZER_FILE}`);
      }
    }
  }
  if (config.add_bos_token === true) throw fail("add_bos_token", "is true: no Qwen chat starts with a bos token");
  if (config.split_special_tokens === true) throw fail("split_special_tokens", "is true, which is not supported");
  // The server turns ids back into text before the processor reads them again; a clean-up there would change the text.
  if (config.clean_up_tokenization_spaces === true) {
    throw fail("clean_up_tokenization_spaces", "is true: text would change between two tokenizations");
  }
}

function namedTokens(config: JsonObject): Record<string, string> {
  const named: Record<string, string> = {};
  for (const field of ["bos_token", "eos_token", "unk_token", "pad_token"]) {
    const value = config[field];
    const content = isJsonObject(value) ? value.content : value;
    if (typeof content === "string") named[field] = content;
  }
  return named;
}
