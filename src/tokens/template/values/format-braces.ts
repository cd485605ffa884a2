/** `text.format(...)` with a subset of Python's format specification. */

import { TemplateFailure, TemplateUnsupported } from "../errors.js";
import type { Arguments } from "./arguments.js";
import { checkLength } from "./limits.js";
import { fixed, intOf } from "./numbers.js";
import { repr, str } from "./text.js";
import { codePoints, PyFloat, textLength, textOf, typeName, Undefined, type Value } from "./values.js";

const PIECE = /\{\{|\}\}|\{([^{}!:]*)(?:!([^{}:]*))?(?::([^{}]*))?\}|[{}]/g;
const SPECIFICATION = /^(?:([\s\S])?([<>=^]))?([-+ ])?(0)?(\d+)?(,)?(?:\.(\d+))?([a-zA-Z%])?$/u;

/** Resolves the `.name` and `[key]` parts of a field. */
export interface Lookup {
  attribute(value: Value, name: string): Value;
  item(value: Value, key: Value): Value;
}

export function formatBraces(format: string, args: Arguments, lookup: Lookup): string {
  let next = 0;
  return format.replace(
    PIECE,
    (piece, field: string | undefined, conversion: string | undefined, specification = "") => {
      if (piece === "{{" || piece === "}}") return piece[0]!;
      if (field === undefined) {
        if (/\{[^}]*\{/.test(format)) throw new TemplateUnsupported("nested fields in str.format()");
        throw new TemplateFailure("unbalanced braces in the format string");
      }
      const [, first, rest] = /^([^.[]*)(.*)$/s.exec(field) as RegExpExecArray & [string, string, string];
      if (first === "") {
        if (next < 0)
          throw new TemplateFailure("cannot switch from manual field specification to automatic field numbering");
        return formatted(followed(argument(args, next++), rest, lookup), conversion, specification);
      }
      if (/^\d+$/.test(first)) {
        if (next > 0)
          throw new TemplateFailure("cannot switch from manual field specification to automatic field numbering");
        next = -1;
        return formatted(followed(argument(args, Number(first)), rest, lookup), conversion, specification);
      }
      const value = args.keywords.get(first);
      if (value === undefined) throw new TemplateFailure(`no value for {${first}}`);
      return formatted(followed(value, rest, lookup), conversion, specification);
    },
  );
}

function argument(args: Arguments, index: number): Value {
  const value = args.positional[index];
  if (value === undefined)
    throw new TemplateFailure(`Replacement index ${index} out of range for positional args tuple`);
  return value;
}

/** Applies a field's `.name` and `[key]` parts to its value. */
function followed(value: Value, rest: string, lookup: Lookup): Value {
  let result = value;
  for (const [, name, key] of rest.matchAll(/\.([^.[]+)|\[([^\]]+)\]/g)) {
    if (name !== undefined) result = lookup.attribute(result, name);
    else result = lookup.item(result, /^\d+$/.test(key!) ? Number(key) : key!);
  }
  return result;
}

function formatted(value: Value, conversion: string | undefined, specification: string): string {
  if (conversion !== undefined && conversion !== "s" && conversion !== "r") {
    throw new TemplateUnsupported(`the conversion !${conversion} in str.format()`);
  }
  const converted = conversion === undefined ? value : conversion === "s" ? str(value) : repr(value);
  if (specification === "") return str(converted);
  const parts = SPECIFICATION.exec(specification);
  if (parts === null) throw new TemplateUnsupported(`the format specification '${specification}'`);
  const [, fill, align, sign = "-", zero, width, comma, precision, type] = parts;
  const places = precision === undefined ? null : Number(precision);
  const isText = textOf(converted) !== undefined;
  if (isText && (sign !== "-" || comma !== undefined || align === "="))
    throw new TemplateFailure("a number's format for a str");
  const body = isText
    ? textBody(textOf(converted)!, places, type)
    : numberBody(converted, places, type, comma !== undefined);
  const signed = !isText && sign !== "-" && !body.startsWith("-") ? sign + body : body;
  const usedAlign = align ?? (isText ? "<" : zero === undefined ? ">" : "=");
  return aligned(signed, usedAlign, fill ?? (zero === undefined ? " " : "0"), Number(width ?? 0));
}

function textBody(text: string, places: number | null, type: string | undefined): string {
  if (type !== undefined && type !== "s")
    throw new TemplateFailure(`Unknown format code '${type}' for object of type 'str'`);
  return places === null ? text : codePoints(text).slice(0, places).join("");
}

function numberBody(value: Value, places: number | null, type: string | undefined, comma: boolean): string {
  if (
    value instanceof Undefined ||
    typeof value === "boolean" ||
    (value instanceof PyFloat && !Number.isFinite(value.value))
  ) {
    throw new TemplateUnsupported(`a format specification for a ${typeName(value)}`);
  }
  const whole = intOf(value);
  if (whole === undefined && !(value instanceof PyFloat)) {
    throw new TemplateFailure(`unsupported format string passed to ${typeName(value)}.__format__`);
  }
  const grouped = (digits: string): string => (comma ? digits.replace(/\B(?=(\d{3})+(?!\d))(?<!\..*)/g, ",") : digits);
  if (whole !== undefined && (type === undefined || type === "d") && places === null) return grouped(String(whole));
  if (whole !== undefined && ["x", "X", "b", "o"].includes(type ?? "") && places === null && !comma) {
    const digits = whole.toString(type === "b" ? 2 : type === "o" ? 8 : 16);
    return type === "X" ? digits.toUpperCase() : digits;
  }
  const number = whole === undefined ? (value as PyFloat).value : Number(whole);
  if (type === "f" || type === "F") return grouped(fixed(number, places ?? 6));
  throw new TemplateUnsupported(`the format code ${type ?? "of a float without f"}`);
}

function aligned(text: string, align: string, fill: string, width: number): string {
  const missing = width - textLength(text);
  checkLength(missing);
  if (missing <= 0) return text;
  if (align === "<") return text + fill.repeat(missing);
  if (align === ">") return fill.repeat(missing) + text;
  const before = align === "=" ? (/^[-+ ]/.test(text) ? 1 : 0) : 0;
  if (align === "=") return text.slice(0, before) + fill.repeat(missing) + text.slice(before);
  const left = Math.floor(missing / 2);
  return fill.repeat(left) + text + fill.repeat(missing - left);
}
