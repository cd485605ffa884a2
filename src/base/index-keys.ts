/**
 * JavaScript moves keys that are array indices to the front of an object and sorts them by value: {"10": a, "2": b} becomes
 * 2, 10. Python keeps the order of the text, and templates print it. So `parseJson` puts a prefix before such keys of an
 * object whose order JavaScript would change; `stringifyJson` and templates take it off again. With the prefix a key is an
 * ordinary one, which survives copies of the object.
 */
import { JsonNumber } from "./json-number.js";

/** A noncharacter: no text means anything by it, and JSON.stringify writes it as it is. */
export const INDEX_KEY_PREFIX = "\ufdd0";
const PREFIX_CODE = INDEX_KEY_PREFIX.charCodeAt(0);

/** An index, or one that has prefixes already, in whatever text it comes from. */
const PREFIXED_INDEX = /^\ufdd0*(0|[1-9]\d{0,9})$/;
/** Indices are less; greater numbers are ordinary keys. */
const INDEX_LIMIT = 2 ** 32 - 1;

/** Whether an object of JavaScript could not hold a key at its place, or its own prefix would be taken for ours. */
export function needsPrefix(key: string): boolean {
  const index = PREFIXED_INDEX.exec(key)?.[1];
  return index !== undefined && Number(index) < INDEX_LIMIT;
}

/** The key of an object from `parseJson` as it stands in its JSON. */
export function writtenKey(key: string): string {
  return key.charCodeAt(0) === PREFIX_CODE && needsPrefix(key) ? key.slice(1) : key;
}

function isIndex(key: string): boolean {
  return key.charCodeAt(0) !== PREFIX_CODE && needsPrefix(key);
}

/** The key of an object for a key in a text; see `prefixesDropped`. */
export function prefixedKey(key: string): string {
  return needsPrefix(key) ? INDEX_KEY_PREFIX + key : key;
}

/**
 * Takes the prefixes off the keys of all objects inside that JavaScript keeps in order without them.
 * Not recursive: JSON.parse takes any depth. Objects may be shared, as aliases in YAML share them.
 */
export function prefixesDropped<T>(value: T): T {
  const seen = new Set<unknown>();
  const open: unknown[] = [value];
  while (open.length > 0) {
    const next = open.pop();
    if (typeof next !== "object" || next === null || next instanceof JsonNumber || seen.has(next)) continue;
    seen.add(next);
    if (!Array.isArray(next)) dropNeedless(next as Record<string, unknown>);
    for (const member of Object.values(next)) open.push(member);
  }
  return value;
}

function dropNeedless(object: Record<string, unknown>): void {
  const keys = Object.keys(object);
  const indices = keys.filter((key) => key.charCodeAt(0) === PREFIX_CODE && isIndex(key.slice(1)));
  const isInOrder = indices.every((key, at) => {
    const before = at === 0 ? -1 : Number(indices[at - 1]!.slice(1));
    return keys[at] === key && Number(key.slice(1)) > before;
  });
  if (!isInOrder) return;
  for (const key of indices) {
    object[key.slice(1)] = object[key];
    delete object[key];
  }
}

/** The key under which an object has, or would have, a key as it is written. */
export function ownKey(object: object, written: string): string {
  return Object.hasOwn(object, written) ? written : prefixedKey(written);
}

/** The order in which JavaScript would hold these keys if they were written without prefixes, the others sorted. */
export function sortedWrittenKeys(keys: readonly string[]): string[] {
  const written = new Map(keys.map((key) => [writtenKey(key), key]));
  const [indices, names] = [[...written.keys()].filter(isIndex), [...written.keys()].filter((key) => !isIndex(key))];
  // Without a comparator: by UTF-16 code unit.
  return [...indices.sort((a, b) => Number(a) - Number(b)), ...names.sort()].map((key) => written.get(key)!);
}
