/** Python's operators on template values, except `and`, `or` and `not`. */
import { TemplateFailure, TemplateUnsupported } from "../errors.js";
import type { Arithmetic, Comparison } from "../syntax/nodes.js";
import { checkItems, checkLength } from "./limits.js";
import { escapeMarkup } from "./markup.js";
import { calculate, intOf } from "./numbers.js";
import { atMost, contains, equals, lessThan } from "./order.js";
import { formatPercent } from "./percent.js";
import {
  codePoints,
  Markup,
  PyRange,
  PyTuple,
  sequenceItems,
  textOf,
  typeName,
  Undefined,
  type Value,
} from "./values.js";

function wrong(operator: string, a: Value, b: Value): TemplateFailure {
  return new TemplateFailure(`unsupported operand types for ${operator}: '${typeName(a)}' and '${typeName(b)}'`);
}

export function arithmetic(operator: Arithmetic, a: Value, b: Value): Value {
  if (operator === "+" && typeof a === "string" && typeof b === "string") return joined(a, b);
  if (a instanceof Undefined) throw a.failure();
  if (operator === "%" && textOf(a) !== undefined) return formatPercent(a, b);
  if (b instanceof Undefined) throw b.failure();
  const number = calculate(operator, a, b);
  if (number !== undefined) return number;
  if (operator === "+") return add(a, b);
  if (operator === "*") return repeat(a, b) ?? repeat(b, a) ?? fail(wrong("*", a, b));
  if (operator === "-" && typeName(a).startsWith("dict_"))
    throw new TemplateUnsupported("operators on dict.items() and the like");
  throw wrong(operator, a, b);
}

function fail(error: Error): never {
  throw error;
}

function joined(a: string, b: string): string {
  checkLength(a.length + b.length);
  return a + b;
}

function add(a: Value, b: Value): Value {
  const [left, right] = [textOf(a), textOf(b)];
  if (left !== undefined && right !== undefined) return new Markup(joined(escapeMarkup(a), escapeMarkup(b)));
  const [items, others] = [sequenceItems(a), sequenceItems(b)];
  if (items === undefined || others === undefined || a instanceof PyTuple !== b instanceof PyTuple)
    throw wrong("+", a, b);
  checkItems(items.length + others.length);
  const all = [...items, ...others];
  return a instanceof PyTuple ? new PyTuple(all) : all;
}

/** Repeats a str, list or tuple; undefined if the operands are not a sequence and an int. */
function repeat(value: Value, count: Value): Value | undefined {
  const times = Math.max(0, Number(intOf(count)));
  if (Number.isNaN(times)) return undefined;
  const text = textOf(value);
  if (text !== undefined) {
    checkLength(text.length * times);
    const repeated = text === "" ? "" : text.repeat(times);
    return value instanceof Markup ? new Markup(repeated) : repeated;
  }
  const items = sequenceItems(value);
  if (items === undefined) return undefined;
  checkItems(items.length * times);
  const all = items.length === 0 ? [] : Array.from({ length: times }, () => items).flat(1);
  return value instanceof PyTuple ? new PyTuple(all) : all;
}

const COMPARISONS: Readonly<Record<Comparison, (a: Value, b: Value) => boolean>> = {
  "==": equals,
  "!=": (a, b) => !equals(a, b),
  "<": (a, b) => lessThan(a, b),
  "<=": (a, b) => atMost(a, b),
  ">": (a, b) => lessThan(b, a, ">"),
  ">=": (a, b) => atMost(b, a, ">="),
  in: (a, b) => contains(b, a),
  "not in": (a, b) => !contains(b, a),
};

export function comparison(operator: Comparison): (a: Value, b: Value) => boolean {
  return COMPARISONS[operator];
}

/** `value[start:stop:step]`; strings are sliced by code point. */
export function slice(value: Value, bounds: readonly [Value, Value, Value]): Value {
  if (value instanceof Undefined) throw value.failure();
  const [start, stop, step] = bounds.map((bound) => {
    if (bound === null) return null;
    const index = intOf(bound);
    if (index === undefined) throw new TemplateFailure("slice indices must be integers or None");
    return Number(index);
  }) as [number | null, number | null, number | null];
  if (step === 0) throw new TemplateFailure("slice step cannot be zero");
  const text = textOf(value);
  if (text !== undefined) {
    const cut = sliceText(text, start, stop, step ?? 1);
    return value instanceof Markup ? new Markup(cut) : cut;
  }
  const items = sequenceItems(value);
  if (items !== undefined) {
    const picked = pick(items, start, stop, step ?? 1);
    return value instanceof PyTuple ? new PyTuple(picked) : picked;
  }
  if (value instanceof PyRange) return sliceRange(value, start, stop, step ?? 1);
  throw new TemplateFailure(`'${typeName(value)}' object cannot be sliced`);
}

function sliceText(text: string, start: number | null, stop: number | null, step: number): string {
  const simple = step === 1 && !/[\ud800-\udbff]/.test(text);
  return simple ? text.slice(start ?? 0, stop ?? undefined) : pick(codePoints(text), start, stop, step).join("");
}

function sliceRange(range: PyRange, start: number | null, stop: number | null, step: number): PyRange {
  const [from, to] = limits(range.length, start, stop, step);
  return new PyRange(range.start + from * range.step, range.start + to * range.step, range.step * step);
}

function limits(length: number, start: number | null, stop: number | null, step: number): [from: number, to: number] {
  const low = step > 0 ? 0 : -1;
  const high = step > 0 ? length : length - 1;
  const clamp = (bound: number): number => Math.min(Math.max(bound < 0 ? bound + length : bound, low), high);
  const from = start === null ? (step > 0 ? low : high) : clamp(start);
  return [from, stop === null ? (step > 0 ? high : low) : clamp(stop)];
}

function pick<T>(items: readonly T[], start: number | null, stop: number | null, step: number): T[] {
  const [from, to] = limits(items.length, start, stop, step);
  const picked: T[] = [];
  for (let i = from; step > 0 ? i < to : i > to; i += step) picked.push(items[i]!);
  return picked;
}
