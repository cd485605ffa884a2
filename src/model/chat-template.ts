/** Where a model directory keeps its chat template, and which one counts. */
import { isJsonObject, type JsonObject } from "../base/index.js";
import { modelError, readOptionalJson, readOptionalText } from "./files.js";

export const TEMPLATE_FILE = "chat_template.jinja";
const LEGACY_FILE = "chat_template.json";
const TOKENIZER_CONFIG = "tokenizer_config.json";

/**
 * The template that the tokenizer uses, with which servers render: chat_template.jinja, else tokenizer_config.json.
 * transformers' processor prefers the old chat_template.json; a directory where these differ is worth a note.
 */
export async function readChatTemplate(
  dir: string,
  tokenizerConfig: JsonObject | null,
): Promise<{ text: string; file: string; notes: string[] }> {
  const notes: string[] = [];
  const raw = await readOptionalText(dir, TEMPLATE_FILE);
  const legacy = (await readOptionalJson(dir, LEGACY_FILE))?.json.chat_template;
  const inConfig = defaultTemplate(dir, tokenizerConfig);
  const legacyText = typeof legacy === "string" ? legacy : null;
  const chosen = raw ?? inConfig ?? legacyText;
  if (chosen === null) {
    throw modelError(
      dir,
      TEMPLATE_FILE,
      "is missing, and tokenizer_config.json has no chat_template",
      undefined,
      "copy the template that the server uses into the model directory",
    );
  }
  if (legacyText !== null && legacyText !== chosen) {
    notes.push(
      `${LEGACY_FILE} differs from ${raw === null ? TOKENIZER_CONFIG : TEMPLATE_FILE}: servers render with the latter, transformers' processor with the former`,
    );
  }
  if (raw !== null && inConfig !== null && raw !== inConfig) {
    notes.push(`${TOKENIZER_CONFIG} holds another chat template, which ${TEMPLATE_FILE} overrides`);
  }
  const file = raw !== null ? TEMPLATE_FILE : inConfig !== null ? TOKENIZER_CONFIG : LEGACY_FILE;
  return { text: chosen, file, notes };
}

/** `chat_template` of tokenizer_config.json: a string, or a list of named templates of which "default" counts. */
function defaultTemplate(dir: string, config: JsonObject | null): string | null {
  const value = config?.chat_template;
  if (value === undefined || value === null) return null;
  if (typeof value === "string") return value;
  if (Array.isArray(value)) {
    for (const entry of value) {
      if (isJsonObject(entry) && entry.name === "default" && typeof entry.template === "string") return entry.template;
    }
  }
  throw modelError(
    dir,
    TOKENIZER_CONFIG,
    "chat_template is neither a string nor a list with a default",
    "chat_template",
  );
}
