/** The settings that determine answers: answers made with different settings are never mixed silently. */
import { DraftsmithError, type JsonObject, type JsonValue, parseJson, stringifyJson } from "../../../base/index.js";
import { NEUTRAL_OPTIONS, type RegenerateOptions } from "../options.js";
import { CHOOSING_OPTIONS } from "../selection/options.js";

/**
 * A model directory may move; what it holds shows in the probe's rendering, and in its fingerprints where ids are
 * counted with it. What must be served shows in `model`.
 */
const LEFT_OUT: ReadonlySet<string> = new Set([...NEUTRAL_OPTIONS, ...CHOOSING_OPTIONS, "model", "expectModel"]);

/** @param served - the model and the probe's rendering, as the servers agree on them; what ids are counted with */
export function settingsOf(options: RegenerateOptions, served: JsonObject): JsonObject {
  const own = Object.entries(options).filter(([name, value]) => !LEFT_OUT.has(name) && value !== undefined);
  return parseJson(stringifyJson({ ...Object.fromEntries(own), ...served })) as JsonObject;
}

/** Behaviour of older versions, whose settings do not record it. */
const FORMER: JsonObject = { historyContent: "trimmed", history: "all" };

/** Names of the settings that differ, sorted. */
export function changedSettings(before: JsonObject, now: JsonObject): string[] {
  const earlier = { ...FORMER, ...before };
  const names = new Set([...Object.keys(earlier), ...Object.keys(now)]);
  return [...names].filter((name) => stringifyJson(earlier[name]) !== stringifyJson(now[name])).sort();
}

/** @param what - such as "unfinished answers" */
export function settingsConflict(what: string, file: string, before: JsonObject, now: JsonObject): DraftsmithError {
  const changed = changedSettings(before, now);
  const earlier = { ...FORMER, ...before };
  const name = changed[0] ?? "";
  return new DraftsmithError(
    "RESUME_CONFLICT",
    `${what} were made with another ${changed.join(", ")}: ${name} was ${show(earlier[name])}, now it is ${show(now[name])}`,
    {
      location: { file },
      hint: "go back to the earlier setting to continue, or discard them with onConflict: restart",
    },
  );
}

function show(value: JsonValue | undefined): string {
  const text = stringifyJson(value ?? null);
  return text.length > 300 ? `${text.slice(0, 300)}...` : text;
}
