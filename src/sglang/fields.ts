/** Reads fields of untrusted JSON: a field of the wrong type counts as absent. */
import { isJsonObject, type JsonObject, type JsonValue } from "../base/index.js";

export function stringAt(object: JsonObject, key: string): string | undefined {
  const value = object[key];
  return typeof value === "string" ? value : undefined;
}

export function numberAt(object: JsonObject, key: string): number | undefined {
  const value = object[key];
  return typeof value === "number" ? value : undefined;
}

export function objectAt(object: JsonObject, key: string): JsonObject | undefined {
  const value = object[key];
  return isJsonObject(value) ? value : undefined;
}

export function arrayAt(object: JsonObject, key: string): JsonValue[] | undefined {
  const value = object[key];
  return Array.isArray(value) ? value : undefined;
}

/** No vocabulary is larger; a bound keeps a hostile server from handing out ids that overflow int32 columns. */
const MAX_ID = 2 ** 24;

/** No context is longer. */
const MAX_IDS = 2 ** 22;

/** A list of token ids; undefined when absent, null when present but not a list of plausible ids. */
export function idsAt(object: JsonObject, key: string): number[] | undefined | null {
  const value = object[key];
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value) || value.length > MAX_IDS) return null;
  for (const id of value) {
    if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || id >= MAX_ID) return null;
  }
  return value as number[];
}
