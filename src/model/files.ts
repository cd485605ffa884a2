/** Reading the files of a model directory, with errors that name the file and the field. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DraftsmithError, defined, fromErrno, isJsonObject, type JsonObject } from "../base/index.js";

export const TOKENIZER_FILE = "tokenizer.json";
export const TOKENIZER_CONFIG_FILE = "tokenizer_config.json";
export const TOKENS_MAP_FILE = "special_tokens_map.json";

/** A model directory that is incomplete or contradicts itself. */
export function modelError(dir: string, file: string, message: string, field?: string, hint?: string): DraftsmithError {
  return new DraftsmithError("MODEL_INVALID", `${file}: ${message}`, {
    location: { file: join(dir, file), ...defined({ field }) },
    ...defined({ hint }),
  });
}

/** The text of a file, or null if it does not exist. Other failures throw. */
export async function readOptionalText(dir: string, file: string): Promise<string | null> {
  const path = join(dir, file);
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw fromErrno(error, path);
  }
}

/** A JSON file's object and its text, or null if the file does not exist. */
export async function readOptionalJson(dir: string, file: string): Promise<{ text: string; json: JsonObject } | null> {
  const text = await readOptionalText(dir, file);
  if (text === null) return null;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw modelError(dir, file, `is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!isJsonObject(json)) throw modelError(dir, file, "is not a JSON object");
  return { text, json };
}

export async function readRequiredJson(
  dir: string,
  file: string,
  hint: string,
): Promise<{ text: string; json: JsonObject }> {
  const found = await readOptionalJson(dir, file);
  if (found === null) {
    throw modelError(dir, file, "is missing from the model directory", undefined, hint);
  }
  return found;
}
