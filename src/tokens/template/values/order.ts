/** Python's equality, order and membership. */
import { TemplateFailure, TemplateUnsupported } from "../errors.js";
import { numberOf, sameNumber } from "./numbers.js";
import {
  type DictKey,
  DictView,
  int,
  iterate,
  Markup,
  PyFloat,
  PyFunction,
  PyRange,
  PyTuple,
  sequenceItems,
  textOf,
  typeName,
  Undefined,
  type Value,
} from "./values.js";

export function equals(a: Value, b: Value): boolean {
  if (typeof a === "string" && typeof b === "string") return a === b;
  if (a instanceof Undefined || b instanceof Undefined) return a instanceof Undefined && b instanceof Undefined;
  const left = numberOf(a);
  const right = numberOf(b);
  if (left !== undefined && right !== undefined) return sameNumber(left, right);
  const text = textOf(a);
  if (text !== undefined) return text === textOf(b);
  const items = sequenceItems(a);
  if (items !== undefined) {
    const others = sequenceItems(b);
    if (others === undefined || a instanceof PyTuple !== b instanceof PyTuple) return false;
    return items.length === others.length && items.every((item, index) => same(item, others[index]!));
  }
  if (a instanceof Map && b instanceof Map) return sameDict(a, b);
  if (a instanceof PyRange && b instanceof PyRange) return equals(a.items(), b.items());
  if (a instanceof DictView && b instanceof DictView && a !== b) {
    throw new TemplateUnsupported("comparing dict.items() and the like");
  }
  if (a instanceof PyFunction && b instanceof PyFunction && a !== b) {
    throw new TemplateUnsupported("comparing functions");
  }
  return a === b;
}

/** Equality as containers test it: identical or equal. */
function same(a: Value, b: Value): boolean {
  return a === b || equals(a, b);
}

function sameDict(a: ReadonlyMap<DictKey, Value>, b: ReadonlyMap<DictKey, Value>): boolean {
  if (a.size !== b.size) return false;
  for (const [key, value] of a) {
    const other = b.get(key);
    if (other === undefined || !same(value, other)) return false;
  }
  return true;
}

/** Python orders strings by code point, JavaScript by UTF-16 unit. */
export function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i += 1) {
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(i);
    if (left === right) continue;
    // A surrogate is part of a code point above all other code units.
    const isHigh = (unit: number): number => (unit >= 0xd800 && unit <= 0xdfff ? 0x10000 : 0);
    return left + isHigh(left) - (right + isHigh(right));
  }
  return a.length - b.length;
}

/** `a < b`; errors name `operator`, which may be the mirrored one. */
export function lessThan(a: Value, b: Value, operator = "<"): boolean {
  if (a instanceof Undefined) throw a.failure();
  if (b instanceof Undefined) throw b.failure();
  const left = numberOf(a);
  const right = numberOf(b);
  if (left !== undefined && right !== undefined) return left < right;
  const [text, otherText] = [textOf(a), textOf(b)];
  if (text !== undefined && otherText !== undefined) return compareCodePoints(text, otherText) < 0;
  const [items, others] = [sequenceItems(a), sequenceItems(b)];
  if (items !== undefined && others !== undefined && a instanceof PyTuple === b instanceof PyTuple) {
    const at = items.findIndex((item, index) => index >= others.length || !same(item, others[index]!));
    if (at < 0) return items.length < others.length;
    return at < others.length && lessThan(items[at]!, others[at]!, operator);
  }
  if (a instanceof DictView && b instanceof DictView)
    throw new TemplateUnsupported("comparing dict.items() and the like");
  throw new TemplateFailure(`'${operator}' not supported between '${typeName(a)}' and '${typeName(b)}'`);
}

/** `a <= b`, which differs from `not b < a` for NaN and for lists with unorderable items. */
export function atMost(a: Value, b: Value, operator = "<="): boolean {
  const [items, others] = [sequenceItems(a), sequenceItems(b)];
  if (items !== undefined && others !== undefined) return lessThan(a, b, operator) || equals(a, b);
  const [left, right] = [numberOf(a), numberOf(b)];
  if (left !== undefined && right !== undefined) return left <= right;
  return !lessThan(b, a, operator);
}

/** `needle in haystack`. */
export function contains(haystack: Value, needle: Value): boolean {
  const text = textOf(haystack);
  if (text !== undefined) {
    const part = textOf(needle);
    if (part !== undefined) return text.includes(part);
    throw new TemplateFailure(`'in <string>' requires string as left operand, not ${typeName(needle)}`);
  }
  if (haystack instanceof Map || (haystack instanceof DictView && haystack.kind === "keys")) {
    const key = dictKey(needle);
    return key !== undefined && (haystack instanceof Map ? haystack : haystack.dict).has(key);
  }
  for (const item of iterate(haystack)) if (same(item, needle)) return true;
  return false;
}

/** The dict key that a value equals, or undefined if no key can equal it. */
export function keyOf(value: Value): DictKey | undefined {
  if (typeof value === "string" || typeof value === "number" || typeof value === "bigint" || value === null)
    return value;
  if (typeof value === "boolean") return Number(value);
  if (value instanceof PyFloat) return Number.isInteger(value.value) ? int(BigInt(value.value)) : undefined;
  return textOf(value);
}

/** The same, but throws for unhashable values. */
export function dictKey(value: Value): DictKey | undefined {
  const key = keyOf(value);
  if (key === undefined) checkHashable(value);
  return key;
}

/** Whether a value equals a key of another type; a dict literal with it would print differently in Python. */
export function keepsOtherType(value: Value): boolean {
  return typeof value === "boolean" || value instanceof PyFloat || value instanceof Markup;
}

export function checkHashable(value: Value): void {
  if (Array.isArray(value) || value instanceof Map || (value instanceof DictView && value.kind !== "values")) {
    throw new TemplateFailure(`unhashable type: '${typeName(value)}'`);
  }
  if (value instanceof PyTuple) value.items.forEach(checkHashable);
}

/** sorted(items, key=key, reverse=reverse); Python's sort uses only `<`, and is stable in both directions. */
export function sorted(items: readonly Value[], key: (item: Value) => Value, reverse: boolean): Value[] {
  const keyed = items.map((item) => ({ item, key: key(item) }));
  const sign = reverse ? -1 : 1;
  keyed.sort((a, b) => {
    if (lessThan(a.key, b.key)) return -sign;
    return lessThan(b.key, a.key) ? sign : 0;
  });
  return keyed.map(({ item }) => item);
}
