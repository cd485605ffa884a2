/** Arguments of a stage's command besides its flags: inputs by name, and a file of options. */
import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { DraftsmithError, fromErrno, isJsonObject } from "../base/index.js";
import { resolveFiles, Source } from "../pipeline/index.js";
import type { Stage } from "../stages/stage.js";

export function parseInputs(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const equals = text.indexOf("=");
      if (equals > 0 && equals < text.length - 1) return [text.slice(0, equals), text.slice(equals + 1)];
      throw new DraftsmithError("USAGE", `--in ${text} is not NAME=DIRECTORY`, {
        hint: "for example --in dialogues=out/dialogues",
      });
    }),
  );
}

/** A YAML map of options; paths in it are relative to the file. */
export async function readOptionsFile(file: string, stage: Stage): Promise<Record<string, unknown>> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    throw fromErrno(error, file, { field: "options" });
  }
  const { value } = new Source(file, text);
  if (!isJsonObject(value)) {
    throw new DraftsmithError("OPTIONS_INVALID", `${file} is not a map of options`, { location: { file } });
  }
  return resolveFiles(stage, value, dirname(file));
}

/** `over` wins; maps are merged key by key. */
export function mergeOptions(under: Record<string, unknown>, over: Record<string, unknown>): Record<string, unknown> {
  const merged = { ...under };
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key];
    merged[key] = isJsonObject(below) && isJsonObject(value) ? mergeOptions(below, value) : value;
  }
  return merged;
}
