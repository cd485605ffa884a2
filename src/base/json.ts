/** JSON values, and the one canonical spelling that digests are taken of. */
import { JsonNumber } from "./json-number.js";
import { stringifySorted } from "./json-text.js";

export type JsonValue = string | number | JsonNumber | boolean | null | JsonValue[] | { [key: string]: JsonValue };
export type JsonObject = { [key: string]: JsonValue };

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof JsonNumber);
}

/**
 * JSON with keys sorted by UTF-16 code unit and no spaces; `undefined` members are left out.
 * Two values have the same canonical JSON exactly when they are equal as JSON, their numbers' literals included.
 */
export function canonicalJson(value: unknown): string {
  return stringifySorted(sortKeys(value));
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== "object" || value === null || value instanceof JsonNumber) return value;
  const members = value as Record<string, unknown>;
  const keys = sortedKeys(members);
  // A null prototype, so that a key named __proto__ in untrusted input stays a key; else slower for every object.
  const sorted = (keys.includes("__proto__") ? Object.create(null) : {}) as Record<string, unknown>;
  for (const key of keys) {
    const member = members[key];
    if (member !== undefined) sorted[key] = sortKeys(member);
  }
  return sorted;
}

/** Array.sort copies its list several times; the few keys of most objects are sorted in place. */
const MOST_INSERTED = 16;

function sortedKeys(value: object): string[] {
  const keys = Object.keys(value);
  // Without a comparator: by UTF-16 code unit.
  if (keys.length > MOST_INSERTED) return keys.sort();
  for (let next = 1; next < keys.length; next += 1) {
    const key = keys[next]!;
    let at = next;
    for (; at > 0 && keys[at - 1]! > key; at -= 1) keys[at] = keys[at - 1]!;
    keys[at] = key;
  }
  return keys;
}
