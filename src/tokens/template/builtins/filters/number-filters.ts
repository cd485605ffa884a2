/** Filters on numbers. */

import { TemplateFailure, TemplateUnsupported } from "../../errors.js";
import type { Arguments } from "../../values/arguments.js";
import { isAscii } from "../../values/characters.js";
import { calculate, fixed, integerLiteral, intOf, signed } from "../../values/numbers.js";
import { strip } from "../../values/string-operations.js";
import { int, PyFloat, textOf, typeName, Undefined, type Value } from "../../values/values.js";
import { bare, type Filter } from "./filter.js";

function absolute(value: Value): Value {
  if (value instanceof Undefined) throw value.failure();
  if (value instanceof PyFloat) return new PyFloat(Math.abs(value.value));
  const number = intOf(value);
  if (number === undefined) throw new TemplateFailure(`bad operand type for abs(): '${typeName(value)}'`);
  return number < 0 ? signed("-", number) : number;
}

/** Python's float(text), or undefined if it is not a number. */
function parseFloatText(text: string): number | undefined {
  const plain = strip(text, "both", null).toLowerCase();
  const special = /^([-+]?)(inf|infinity|nan)$/.exec(plain);
  if (special !== null) return special[2] === "nan" ? Number.NaN : special[1] === "-" ? -Infinity : Infinity;
  if (!/^[-+]?(\d+(_\d+)*\.?(\d+(_\d+)*)?|\.\d+(_\d+)*)(e[-+]?\d+(_\d+)*)?$/.test(plain)) return undefined;
  return Number(plain.replaceAll("_", ""));
}

function toFloat(value: Value, args: Arguments): Value {
  const fallback = args.expect("default").get(0, "default");
  if (value instanceof Undefined) throw value.failure();
  const number = floatOf(value);
  if (number !== undefined) return new PyFloat(number);
  return fallback === undefined ? new PyFloat(0) : fallback;
}

function floatOf(value: Value): number | undefined {
  if (value instanceof PyFloat) return value.value;
  const whole = intOf(value);
  if (whole !== undefined) return Number(whole);
  const text = textOf(value);
  if (text !== undefined && !isAscii(text)) throw new TemplateUnsupported("a number from text outside ASCII");
  return text === undefined ? undefined : parseFloatText(text);
}

function toInt(value: Value, args: Arguments): Value {
  args.expect("default", "base");
  if (value instanceof Undefined) throw value.failure();
  if (args.int(1, "base", 10) !== 10) throw new TemplateUnsupported("the int filter with a base");
  const whole = intOf(value);
  if (whole !== undefined) return whole;
  const text = textOf(value);
  if (text !== undefined) {
    const plain = strip(text, "both", null);
    if (/^[-+]?\d+(_\d+)*$/.test(plain)) {
      const digits = plain.replaceAll("_", "").replace(/^([-+]?)0+(?=\d)/, "$1");
      return digits.startsWith("-")
        ? signed("-", integerLiteral(digits.slice(1)))
        : integerLiteral(digits.replace("+", ""));
    }
  }
  const number = floatOf(value);
  if (number !== undefined && Number.isFinite(number)) return int(BigInt(Math.trunc(number)));
  if (value instanceof PyFloat && !Number.isNaN(value.value))
    throw new TemplateFailure("cannot convert float infinity to integer");
  const fallback = args.get(0, "default");
  return fallback === undefined ? 0 : fallback;
}

function round(value: Value, args: Arguments): Value {
  args.expect("precision", "method");
  const places = args.int(0, "precision", 0);
  const method = args.get(1, "method") === undefined ? "common" : args.text(1, "method");
  if (!["common", "ceil", "floor"].includes(method)) throw new TemplateFailure("method must be common, ceil or floor");
  if (places < 0) throw new TemplateUnsupported("round with a negative precision");
  if (value instanceof Undefined) throw value.failure();
  const whole = intOf(value);
  if (whole === undefined && !(value instanceof PyFloat))
    throw new TemplateFailure(`type ${typeName(value)} doesn't define __round__ method`);
  if (method === "common") {
    if (whole !== undefined) return whole;
    return new PyFloat(Number(fixed((value as PyFloat).value, places)));
  }
  const scale = 10 ** places;
  const scaled = calculate("*", value, scale);
  const number = scaled instanceof PyFloat ? scaled.value : Number(scaled);
  return new PyFloat((method === "ceil" ? Math.ceil(number) : Math.floor(number)) / scale);
}

export const NUMBER_FILTERS: Readonly<Record<string, Filter>> = {
  abs: bare(absolute),
  float: toFloat,
  int: toInt,
  round,
};
