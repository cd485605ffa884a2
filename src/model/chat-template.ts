/** Finds the chat template of a model directory, and which one servers use. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { fromErrno, isJsonObject, type JsonObject } from "../base/index.js";
import { modelError, readOptionalJson, readOptionalText, TOKENIZER_CONFIG_FILE as TOKENIZER_CONFIG } from "./files.js";

export const TEMPLATE_FILE = "chat_template.jinja";
/** Named templates besides the default one, as NAME.jinja; written by transformers 4.56 and later. */
export const TEMPLATE_FOLDER = "additional_chat_templates";
const LEGACY_FILE = "chat_template.json";

export interface ChatTemplates {
  text: string;
  /** The template named tool_use, which transformers uses instead for requests with tools; usually null. */
  toolText: string | null;
  file: string;
  notes: string[];
}

interface Found {
  file: string;
  named: Record<string, string>;
}

/**
 * Reads the tokenizer's templates, which servers use: chat_template.jinja and its folder, else tokenizer_config.json, which
 * may list several. transformers' processor prefers the older chat_template.json; a note tells when the two differ.
 */
export async function readChatTemplate(dir: string, tokenizerConfig: JsonObject | null): Promise<ChatTemplates> {
  const notes: string[] = [];
  const inFiles = await templatesInFiles(dir);
  const inConfig = templatesInConfig(dir, tokenizerConfig);
  const legacy = (await readOptionalJson(dir, LEGACY_FILE))?.json.chat_template;
  const inLegacy: Found | null = typeof legacy === "string" ? { file: LEGACY_FILE, named: { default: legacy } } : null;
  const chosen: Found | null = inFiles ?? inConfig ?? inLegacy;
  if (chosen === null) {
    throw modelError(
      dir,
      TEMPLATE_FILE,
      `is missing, and ${TOKENIZER_CONFIG} has no chat_template`,
      undefined,
      "copy the template that the server uses into the model directory",
    );
  }
  const { default: text, tool_use: toolText = null, ...others } = chosen.named;
  if (text === undefined) {
    const names = Object.keys(chosen.named).join(", ");
    throw modelError(dir, chosen.file, `has the templates ${names}, but no default one`, "chat_template");
  }
  if (text.trim() === "") throw modelError(dir, chosen.file, "the chat template is empty", "chat_template");
  if (inLegacy !== null && inLegacy.named.default !== text) {
    notes.push(
      `${LEGACY_FILE} differs from ${chosen.file}: servers use ${chosen.file}, transformers' processor ${LEGACY_FILE}`,
    );
  }
  if (chosen === inLegacy)
    notes.push(`the only chat template is in ${LEGACY_FILE}, which transformers' tokenizer does not read`);
  if (chosen === inFiles && inConfig !== null && inConfig.named.default !== text) {
    notes.push(`${TEMPLATE_FILE} overrides a different chat template in ${TOKENIZER_CONFIG}`);
  }
  if (toolText !== null) notes.push("requests with tools are rendered with the template named tool_use");
  for (const name of Object.keys(others)) notes.push(`the chat template named ${name} is never used`);
  return { text, toolText, file: chosen.file, notes };
}

async function templatesInFiles(dir: string): Promise<Found | null> {
  const named: Record<string, string> = {};
  for (const file of (await filesOf(join(dir, TEMPLATE_FOLDER))).sort()) {
    if (!file.endsWith(".jinja")) continue;
    const text = await readOptionalText(dir, join(TEMPLATE_FOLDER, file));
    if (text !== null) named[file.slice(0, -".jinja".length)] = text;
  }
  const raw = await readOptionalText(dir, TEMPLATE_FILE);
  if (raw !== null) named.default = raw;
  return Object.keys(named).length === 0 ? null : { file: TEMPLATE_FILE, named };
}

async function filesOf(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "ENOTDIR") return [];
    throw fromErrno(error, folder);
  }
}

/** `chat_template` of tokenizer_config.json: a string, or a list of named templates. */
function templatesInConfig(dir: string, config: JsonObject | null): Found | null {
  const value = config?.chat_template;
  if (value === undefined || value === null) return null;
  if (typeof value === "string") return { file: TOKENIZER_CONFIG, named: { default: value } };
  const fail = (message: string): Error => modelError(dir, TOKENIZER_CONFIG, message, "chat_template");
  if (!Array.isArray(value)) throw fail("chat_template is neither a string nor a list of named templates");
  const named: Record<string, string> = {};
  for (const entry of value) {
    if (!isJsonObject(entry) || typeof entry.name !== "string" || typeof entry.template !== "string") {
      throw fail("chat_template has an entry without name and template");
    }
    named[entry.name] = entry.template;
  }
  return { file: TOKENIZER_CONFIG, named };
}
