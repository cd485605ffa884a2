/** Python's operators on template values. */
import { TemplateFailure, TemplateUnsupported } from "./errors.js";
import { compareCodePoints, str } from "./text.js";
import {
  equals,
  iterate,
  Markup,
  numeric,
  PyFloat,
  PyTuple,
  typeName,
  Undefined,
  undefinedError,
  type Value,
} from "./values.js";

type Operator = (a: Value, b: Value) => Value;

function guard(a: Value, b: Value): void {
  for (const value of [a, b]) {
    if (value instanceof Undefined) throw undefinedError(value);
    if (value instanceof Markup) throw new TemplateUnsupported("joining the result of |safe to something");
  }
}

function wrong(operator: string, a: Value, b: Value): TemplateFailure {
  return new TemplateFailure(`unsupported operand types for ${operator}: '${typeName(a)}' and '${typeName(b)}'`);
}

const BEYOND_EXACT = "arithmetic with whole numbers above 2^53";

/** Arithmetic on ints and floats; ints stay exact or are refused. */
function arithmetic(operator: string, a: Value, b: Value, apply: (x: number, y: number) => number): Value {
  const left = numeric(a);
  const right = numeric(b);
  if (left === undefined || right === undefined) throw wrong(operator, a, b);
  if (typeof left === "bigint" || typeof right === "bigint") throw new TemplateUnsupported(BEYOND_EXACT);
  if (a instanceof PyFloat || b instanceof PyFloat) return new PyFloat(apply(left, right));
  const result = apply(left, right);
  if (!Number.isSafeInteger(result)) throw new TemplateUnsupported(BEYOND_EXACT);
  return result;
}

function divide(operator: string, a: Value, b: Value, apply: (x: number, y: number) => number): Value {
  guard(a, b);
  if (typeof a === "string") throw new TemplateUnsupported("formatting with %");
  if (numeric(b) === 0) throw new TemplateFailure("division by zero");
  return arithmetic(operator, a, b, apply);
}

function order(operator: string, a: Value, b: Value, test: (sign: number) => boolean): boolean {
  guard(a, b);
  if (typeof a === "string" && typeof b === "string") return test(compareCodePoints(a, b));
  const left = numeric(a);
  const right = numeric(b);
  if (left === undefined || right === undefined) {
    if (Array.isArray(a) && Array.isArray(b)) throw new TemplateUnsupported("ordering lists");
    throw wrong(operator, a, b);
  }
  return test(left < right ? -1 : left > right ? 1 : left >= right ? 0 : Number.NaN);
}

/** `needle in haystack`. */
export function contains(haystack: Value, needle: Value): boolean {
  if (typeof haystack === "string") {
    if (needle instanceof Undefined || typeof needle !== "string") {
      throw new TemplateFailure(`'in <string>' requires string as left operand, not ${typeName(needle)}`);
    }
    return haystack.includes(needle);
  }
  if (haystack instanceof Map) return typeof needle === "string" && haystack.has(needle);
  return iterate(haystack).some((item) => equals(item, needle));
}

/** Binary operators except `and` and `or`, which do not always evaluate both sides. */
export const OPERATORS: Readonly<Record<string, Operator>> = {
  "+": (a, b) => {
    guard(a, b);
    if (typeof a === "string" && typeof b === "string") return a + b;
    if (Array.isArray(a) && Array.isArray(b)) {
      if (a instanceof PyTuple !== b instanceof PyTuple) throw wrong("+", a, b);
      return a.concat(b);
    }
    return arithmetic("+", a, b, (x, y) => x + y);
  },
  "-": (a, b) => {
    guard(a, b);
    return arithmetic("-", a, b, (x, y) => x - y);
  },
  "*": (a, b) => {
    guard(a, b);
    if (typeof a === "string" && typeof b === "number") return a.repeat(Math.max(0, b));
    return arithmetic("*", a, b, (x, y) => x * y);
  },
  "//": (a, b) => divide("//", a, b, (x, y) => Math.floor(x / y)),
  "%": (a, b) => divide("%", a, b, (x, y) => x - y * Math.floor(x / y)),
  "~": (a, b) => {
    if (a instanceof Markup || b instanceof Markup)
      throw new TemplateUnsupported("joining the result of |safe to something");
    return str(a) + str(b);
  },
  "==": equals,
  "!=": (a, b) => !equals(a, b),
  "<": (a, b) => order("<", a, b, (sign) => sign < 0),
  "<=": (a, b) => order("<=", a, b, (sign) => sign <= 0),
  ">": (a, b) => order(">", a, b, (sign) => sign > 0),
  ">=": (a, b) => order(">=", a, b, (sign) => sign >= 0),
  in: (a, b) => contains(b, a),
  "not in": (a, b) => !contains(b, a),
};

export const COMPARISONS: ReadonlySet<string> = new Set(["==", "!=", "<", "<=", ">", ">=", "in", "not in"]);

/** Python's slice of a list or string; strings are cut by code point. */
export function slice(value: Value, bounds: readonly Value[]): Value {
  const [start, stop, step] = bounds.map((bound) => {
    if (bound === null) return null;
    if (typeof bound !== "number") throw new TemplateFailure("slice indices must be integers or None");
    return bound;
  }) as [number | null, number | null, number | null];
  if (value instanceof Undefined) throw undefinedError(value);
  const items: readonly Value[] | null =
    typeof value === "string" ? Array.from(value) : Array.isArray(value) ? value : null;
  if (items === null) throw new TemplateFailure(`'${typeName(value)}' object cannot be sliced`);
  const stride = step ?? 1;
  if (stride === 0) throw new TemplateFailure("slice step cannot be zero");
  const length = items.length;
  const low = stride > 0 ? 0 : -1;
  const high = stride > 0 ? length : length - 1;
  const clamp = (bound: number): number => Math.min(Math.max(bound < 0 ? bound + length : bound, low), high);
  const from = start === null ? (stride > 0 ? low : high) : clamp(start);
  const to = stop === null ? (stride > 0 ? high : low) : clamp(stop);
  const picked: Value[] = [];
  for (let i = from; stride > 0 ? i < to : i > to; i += stride) picked.push(items[i]!);
  return typeof value === "string" ? picked.join("") : picked;
}
