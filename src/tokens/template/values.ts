/**
 * Python values as a chat template meets them. A JavaScript number is always an int here, a bigint one beyond 2^53, null
 * is None, a Map is a dict, an array a list; everything that JavaScript has no twin for is a class.
 */
import { JsonNumber } from "../../base/index.js";
import { TemplateFailure, TemplateUnsupported } from "./errors.js";

export class PyFloat {
  constructor(readonly value: number) {}
}

export class PyTuple extends Array<Value> {}

/** dict.items() and its like: can be looped over and counted, but not indexed. */
export class PyView extends Array<Value> {}

/** jinja2's Undefined: empty as text and in loops, an error as soon as something is asked of it. */
export class Undefined {
  constructor(readonly name: string) {}
}

/** What `|safe` returns: in Python, text that escapes whatever is joined to it. Only printing it is supported. */
export class Markup {
  constructor(readonly text: string) {}
}

export class Namespace {
  constructor(readonly members: Map<string, Value>) {}
}

/** The `loop` variable. */
export class Loop {
  constructor(
    readonly items: readonly Value[],
    readonly index0: number,
  ) {}
}

export class PyFunction {
  constructor(
    readonly name: string,
    readonly call: (args: Value[], keywords: Map<string, Value>) => Value,
  ) {}
}

export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | PyFloat
  | Value[]
  | Map<string, Value>
  | Undefined
  | Markup
  | Namespace
  | Loop
  | PyFunction;

/** A value from `parseJson` as Python's json.loads gives it for the same text. */
export function fromJson(value: unknown): Value {
  if (value === undefined || value === null) return null;
  if (typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number") {
    // From 1e21 on JavaScript writes an exponent, which Python reads as a float. -0 is written as 0.
    if (!Number.isInteger(value) || Math.abs(value) >= 1e21) return new PyFloat(value);
    return Number.isSafeInteger(value) ? value + 0 : largeInt(String(value));
  }
  if (value instanceof JsonNumber) {
    if (!value.isInteger) return new PyFloat(value.valueOf());
    return Number.isSafeInteger(value.valueOf()) ? value.valueOf() + 0 : largeInt(value.literal);
  }
  if (Array.isArray(value)) return value.map(fromJson);
  if (typeof value === "object") {
    const dict = new Map<string, Value>();
    for (const [key, member] of Object.entries(value)) if (member !== undefined) dict.set(key, fromJson(member));
    return dict;
  }
  throw new TemplateUnsupported(`a ${typeof value} is no JSON value`);
}

function largeInt(digits: string): bigint {
  const value = BigInt(digits);
  // Python's json reads an int here, orjson, with which SGLang parses tool arguments, a float.
  if (value >= 1n << 64n || value < -(1n << 63n)) {
    throw new TemplateUnsupported(`the number ${digits.slice(0, 40)}, too large for 64 bits`);
  }
  return value;
}

export function typeName(value: Value): string {
  if (value === null) return "NoneType";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "number" || typeof value === "bigint") return "int";
  if (typeof value === "string") return "str";
  if (value instanceof PyFloat) return "float";
  if (value instanceof PyTuple) return "tuple";
  if (value instanceof PyView) return "dict_view";
  if (Array.isArray(value)) return "list";
  if (value instanceof Map) return "dict";
  if (value instanceof PyFunction) return "function";
  return value.constructor.name;
}

export function truthy(value: Value): boolean {
  if (value === null || value instanceof Undefined) return false;
  if (typeof value === "boolean") return value;
  if (typeof value === "number" || typeof value === "bigint") return value !== 0 && value !== 0n;
  if (typeof value === "string") return value !== "";
  if (value instanceof PyFloat) return value.value !== 0;
  if (Array.isArray(value)) return value.length > 0;
  if (value instanceof Map) return value.size > 0;
  if (value instanceof Markup) return value.text !== "";
  return true;
}

/** The number behind an int, float or bool, or undefined; a bigint compares with a number by exact value. */
export function numeric(value: Value): number | bigint | undefined {
  if (typeof value === "number" || typeof value === "bigint") return value;
  if (typeof value === "boolean") return value ? 1 : 0;
  if (value instanceof PyFloat) return value.value;
  return undefined;
}

export function equals(a: Value, b: Value): boolean {
  const left = numeric(a);
  const right = numeric(b);
  // Not ===, for which a bigint and a number never are the same.
  if (left !== undefined && right !== undefined) return left <= right && left >= right;
  if (a instanceof Undefined || b instanceof Undefined) return a instanceof Undefined && b instanceof Undefined;
  if (Array.isArray(a) && Array.isArray(b)) {
    if (a instanceof PyTuple !== b instanceof PyTuple) return false;
    return a.length === b.length && a.every((item, index) => equals(item, b[index]!));
  }
  if (a instanceof Map && b instanceof Map) {
    if (a.size !== b.size) return false;
    for (const [key, value] of a) {
      const other = b.get(key);
      if (other === undefined || !equals(value, other)) return false;
    }
    return true;
  }
  if (a instanceof Markup || b instanceof Markup) throw new TemplateUnsupported("comparing the result of |safe");
  return a === b;
}

/** What a for loop runs over. */
export function iterate(value: Value): readonly Value[] {
  if (Array.isArray(value)) return value;
  if (value instanceof Undefined) return [];
  if (typeof value === "string") return Array.from(value);
  if (value instanceof Map) return [...value.keys()];
  throw new TemplateFailure(`'${typeName(value)}' object is not iterable`);
}

export function undefinedError(value: Undefined): TemplateFailure {
  return new TemplateFailure(`'${value.name}' is undefined`);
}
