/** What changed between two fingerprints, field by field, in words. */
import { hideSecretsIn, isJsonObject, type JsonValue, parseJson, stringifyJson } from "../base/index.js";
import type { Fingerprint } from "./fingerprint.js";

export interface Change {
  /** Such as `options.lr` or `inputs.dialogues`. */
  field: string;
  before: JsonValue | undefined;
  after: JsonValue | undefined;
}

export function diffFingerprints(before: Fingerprint, after: Fingerprint): Change[] {
  return diff("", asJson(before), asJson(after));
}

/** One change as a clause: `options.lr 0.001 -> 0.0006`. */
export function describeChange({ field, before, after }: Change): string {
  if (/^inputs\.|^files\.|\.(files|steps)\./.test(field) && before !== undefined && after !== undefined) {
    return `the content of ${field} changed`;
  }
  if (before === undefined) return `${field} is new (${show(after)})`;
  if (after === undefined) return `${field} is gone (was ${show(before)})`;
  return `${field} ${show(before)} -> ${show(after)}`;
}

function diff(field: string, before: JsonValue | undefined, after: JsonValue | undefined): Change[] {
  if (isJsonObject(before) && isJsonObject(after)) {
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return keys.flatMap((key) => diff(field === "" ? key : `${field}.${key}`, before[key], after[key]));
  }
  return stringifyJson(before) === stringifyJson(after) ? [] : [{ field, before, after }];
}

function asJson(fingerprint: Fingerprint): JsonValue {
  return parseJson(stringifyJson(fingerprint));
}

function show(value: JsonValue | undefined): string {
  const text = stringifyJson(hideSecretsIn(value)) ?? "nothing";
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
