/** Checks what other files say about tokens against tokenizer.json: on a conflict transformers would add or renumber tokens. */
import { isJsonObject, type JsonObject } from "../base/index.js";
import { modelError, readOptionalJson, TOKENIZER_CONFIG_FILE, TOKENIZER_FILE } from "./files.js";
import type { NamedTokens } from "./named-tokens.js";
import { SPECIAL_TEXT } from "./special-text.js";

const ADDED_FILE = "added_tokens.json";
/** These determine where a token matches in a text. */
const FLAGS = ["special", "lstrip", "rstrip", "normalized", "single_word"] as const;

interface Known {
  dir: string;
  ids: ReadonlyMap<string, number>;
  addedTokens: readonly { id: number; content: string }[];
  /** The entries of tokenizer.json's added_tokens, with their flags. */
  entries: readonly JsonObject[];
}

/** Throws MODEL_INVALID naming file, field and both values. */
export async function checkTokenClaims(known: Known, config: JsonObject | null, named: NamedTokens): Promise<void> {
  const { dir, ids } = known;
  if (config !== null) checkDecoder(known, config);
  for (const { file, field, token } of named.claims) {
    if (ids.has(token)) continue;
    throw modelError(dir, file, `${field} ${JSON.stringify(token)} is not in ${TOKENIZER_FILE}`, field);
  }
  if (config !== null) checkPlaceholders(dir, config);
  const added = await readOptionalJson(dir, ADDED_FILE);
  for (const [token, id] of Object.entries(added?.json ?? {})) {
    if (ids.get(token) === id) continue;
    const message = `gives ${JSON.stringify(token)} the id ${JSON.stringify(id)}, but ${TOKENIZER_FILE} gives it ${ids.get(token) ?? "none"}`;
    throw modelError(dir, ADDED_FILE, message, token);
  }
  if (config !== null) checkSwitches(dir, config);
}

/**
 * In transformers 5 `added_tokens_decoder` replaces the added tokens of tokenizer.json and renumbers them: a list that
 * omits some shifts all that follow.
 */
function checkDecoder({ dir, ids, addedTokens, entries }: Known, config: JsonObject): void {
  const decoder = config.added_tokens_decoder;
  if (!isJsonObject(decoder) || Object.keys(decoder).length === 0) return;
  const fail = (id: string | number, message: string): Error =>
    modelError(dir, TOKENIZER_CONFIG_FILE, message, `added_tokens_decoder.${id}`);
  for (const [id, entry] of Object.entries(decoder)) {
    const content = isJsonObject(entry) ? entry.content : undefined;
    if (!isJsonObject(entry) || typeof content !== "string") throw fail(id, `the token of id ${id} has no content`);
    if (ids.get(content) !== Number(id)) {
      throw fail(
        id,
        `gives id ${id} to ${JSON.stringify(content)}, but ${TOKENIZER_FILE} gives it ${ids.get(content) ?? "none"}`,
      );
    }
    const inFile = entries.find((candidate) => candidate.content === content);
    for (const flag of FLAGS) {
      const [here, there] = [entry[flag], inFile?.[flag]];
      if (here === undefined || there === undefined || here === there) continue;
      throw fail(id, `says ${flag} of ${JSON.stringify(content)} is ${here}, but ${TOKENIZER_FILE} says ${there}`);
    }
  }
  const lacking = addedTokens.find(({ id }) => decoder[id] === undefined);
  if (lacking !== undefined) {
    throw fail(
      lacking.id,
      `added_tokens_decoder omits ${lacking.content} (id ${lacking.id} in ${TOKENIZER_FILE}): transformers 5 would renumber the tokens`,
    );
  }
}

/** The processor takes its placeholders from these fields if they are set; any other token would never match a text. */
const PLACEHOLDERS: Record<string, string> = {
  image_token: SPECIAL_TEXT.imagePad,
  video_token: SPECIAL_TEXT.videoPad,
  vision_start_token: SPECIAL_TEXT.visionStart,
  vision_end_token: SPECIAL_TEXT.visionEnd,
};

function checkPlaceholders(dir: string, config: JsonObject): void {
  const objects: [string, JsonObject][] = [["", config]];
  for (const field of ["extra_special_tokens", "model_specific_special_tokens"]) {
    const value = config[field];
    if (isJsonObject(value)) objects.push([`${field}.`, value]);
  }
  for (const [path, object] of objects) {
    for (const [name, wanted] of Object.entries(PLACEHOLDERS)) {
      const value = object[name];
      const token = isJsonObject(value) ? value.content : value;
      if (token == null || token === wanted) continue;
      const message = `${path}${name} is ${JSON.stringify(token)}, but the model's placeholder is ${wanted}`;
      throw modelError(dir, TOKENIZER_CONFIG_FILE, message, path + name);
    }
  }
}

function checkSwitches(dir: string, config: JsonObject): void {
  const fail = (field: string, message: string): Error => modelError(dir, TOKENIZER_CONFIG_FILE, message, field);
  if (config.add_bos_token === true) throw fail("add_bos_token", "is true: no Qwen chat starts with a bos token");
  if (config.split_special_tokens === true) throw fail("split_special_tokens", "is true, which is not supported");
  // The server decodes ids to text, which the processor encodes again; clean-up in between would change the text.
  if (config.clean_up_tokenization_spaces === true) {
    throw fail("clean_up_tokenization_spaces", "is true: decoding and encoding again would change the text");
  }
}
