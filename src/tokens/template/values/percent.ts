/** `text % values`: Python's printf-style formatting. */
import { TemplateFailure, TemplateUnsupported } from "../errors.js";
import { checkLength } from "./limits.js";
import { fixed, intOf, numberOf } from "./numbers.js";
import { repr, str } from "./text.js";
import {
  codePoints,
  type DictKey,
  Markup,
  PyFloat,
  PyRange,
  PyTuple,
  textLength,
  typeName,
  Undefined,
  type Value,
} from "./values.js";

const CONVERSION = /%(?:\(([^)]*)\))?([-+ #0]*)(\*|\d+)?(?:\.(\*|\d*))?[hlL]?([\s\S])?/g;

export function formatPercent(format: Value, values: Value): string {
  if (typeof format !== "string") throw new TemplateUnsupported("formatting with % after |safe");
  const args = new PercentArguments(values);
  const text = format.replace(CONVERSION, (_, key: string | undefined, flags: string, width, precision, type) => {
    if (type === undefined) throw new TemplateFailure("incomplete format");
    if (type === "%") return "%";
    if (width === "*" || precision === "*") throw new TemplateUnsupported("a width * in %-formatting");
    const value = key === undefined ? args.next() : args.named(key);
    const places = precision === undefined ? null : Number(precision);
    const minimum = Number(width ?? 0);
    checkLength(minimum);
    return pad(convert(type as string, value, flags, places), flags, minimum, type !== "s" && type !== "r");
  });
  args.finish();
  return text;
}

class PercentArguments {
  private readonly values: readonly Value[];
  private readonly mapping: ReadonlyMap<DictKey, Value> | null;
  /** Python ignores unused values of any mapping or sequence other than a tuple or str. */
  private readonly mayBeUnused: boolean;
  private used = 0;

  constructor(values: Value) {
    this.mayBeUnused =
      Array.isArray(values) || values instanceof Map || values instanceof PyRange || values instanceof Undefined;
    this.mapping = values instanceof Map ? values : null;
    this.values = values instanceof PyTuple ? values.items : [values];
  }

  next(): Value {
    const value = this.values[this.used];
    if (value === undefined) throw new TemplateFailure("not enough arguments for format string");
    this.used += 1;
    return value;
  }

  named(key: string): Value {
    const value = this.mapping?.get(key);
    if (this.mapping === null) throw new TemplateFailure("format requires a mapping");
    if (value === undefined) throw new TemplateFailure(`no value for %(${key})`);
    return value;
  }

  finish(): void {
    if (this.used < this.values.length && !this.mayBeUnused) {
      throw new TemplateFailure("not all arguments converted during string formatting");
    }
  }
}

function convert(type: string, value: Value, flags: string, places: number | null): string {
  switch (type) {
    case "s":
    case "r": {
      const text = type === "s" ? str(value) : repr(value);
      return places === null ? text : codePoints(text).slice(0, places).join("");
    }
    case "d":
    case "i":
    case "u":
      return sign(wholeDigits(value), flags, places);
    case "f":
    case "F":
      return sign(floatDigits(value, places ?? 6), flags, null);
    case "x":
    case "X":
    case "o":
      return sign(baseDigits(type, value, flags), flags, places);
    default:
      throw new TemplateUnsupported(`%${type} in %-formatting`);
  }
}

function wholeDigits(value: Value): string {
  if (value instanceof Undefined) throw value.failure();
  const number =
    value instanceof PyFloat && Number.isFinite(value.value) ? BigInt(Math.trunc(value.value)) : intOf(value);
  if (number === undefined) throw new TemplateFailure(`%d format: a real number is required, not ${typeName(value)}`);
  return String(number);
}

function floatDigits(value: Value, places: number): string {
  if (value instanceof Undefined) throw value.failure();
  const number = numberOf(value);
  if (number === undefined) throw new TemplateFailure(`must be real number, not ${typeName(value)}`);
  if (!Number.isFinite(Number(number))) throw new TemplateUnsupported("%f of a number that is not finite");
  return fixed(Number(number), places);
}

function baseDigits(type: string, value: Value, flags: string): string {
  const number = intOf(value);
  if (number === undefined)
    throw new TemplateFailure(`%${type} format: an integer is required, not ${typeName(value)}`);
  if (flags.includes("#")) throw new TemplateUnsupported("the flag # in %-formatting");
  const digits = number.toString(type === "o" ? 8 : 16);
  return type === "X" ? digits.toUpperCase() : digits;
}

function sign(digits: string, flags: string, places: number | null): string {
  const negative = digits.startsWith("-");
  const plain = (negative ? digits.slice(1) : digits).padStart(places ?? 0, "0");
  if (negative) return `-${plain}`;
  if (flags.includes("+")) return `+${plain}`;
  return flags.includes(" ") ? ` ${plain}` : plain;
}

function pad(text: string, flags: string, width: number, isNumber: boolean): string {
  const missing = width - textLength(text);
  if (missing <= 0) return text;
  if (flags.includes("-")) return text + " ".repeat(missing);
  if (!isNumber || !flags.includes("0")) return " ".repeat(missing) + text;
  const signLength = /^[-+ ]/.test(text) ? 1 : 0;
  return text.slice(0, signLength) + "0".repeat(missing) + text.slice(signLength);
}

/** `|format` with positional or named values. */
export function formatFilter(
  format: Value,
  positional: readonly Value[],
  keywords: ReadonlyMap<string, Value>,
): string {
  if (positional.length > 0 && keywords.size > 0) {
    throw new TemplateFailure("format() takes positional or named values, not both");
  }
  const text = format instanceof Markup ? format : str(format);
  return formatPercent(text, keywords.size > 0 ? new Map<DictKey, Value>(keywords) : new PyTuple(positional));
}
