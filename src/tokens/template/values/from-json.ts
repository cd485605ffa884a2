/** Converts JSON values of a request to Python values. */
import { JsonNumber, writtenKey } from "../../../base/index.js";
import { TemplateFailure, TemplateUnsupported } from "../errors.js";
import { type Dict, PyFloat, type Value } from "./values.js";

/** Python's JSON parser fails at about a thousand levels. */
const MAX_DEPTH = 900;

/** Converts a value from `parseJson` to what Python's json.loads returns for the same text. */
export function fromJson(value: unknown, depth = 0): Value {
  if (value === undefined || value === null) return null;
  if (typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number") return numberFromJson(value);
  if (value instanceof JsonNumber) {
    if (!value.isInteger) return new PyFloat(value.valueOf());
    return Number.isSafeInteger(value.valueOf()) ? value.valueOf() + 0 : largeInt(value.literal);
  }
  if (depth > MAX_DEPTH) throw new TemplateFailure(`the messages or tools are nested deeper than ${MAX_DEPTH} levels`);
  if (Array.isArray(value)) return value.map((item) => fromJson(item, depth + 1));
  if (typeof value === "object") {
    const dict: Dict = new Map();
    for (const [key, member] of Object.entries(value))
      if (member !== undefined) dict.set(writtenKey(key), fromJson(member, depth + 1));
    return dict;
  }
  throw new TemplateUnsupported(`a value of type ${typeof value}, which JSON does not have`);
}

function numberFromJson(value: number): Value {
  // From 1e21 on JavaScript writes an exponent, which Python reads as a float. -0 is written as 0.
  if (!Number.isInteger(value) || Math.abs(value) >= 1e21) return new PyFloat(value);
  return Number.isSafeInteger(value) ? value + 0 : largeInt(String(value));
}

function largeInt(digits: string): bigint {
  const value = BigInt(digits);
  // Python's json reads an int here, orjson, with which SGLang parses tool arguments, a float.
  if (value >= 1n << 64n || value < -(1n << 63n)) {
    throw new TemplateUnsupported(`the number ${digits.slice(0, 40)}, too large for 64 bits`);
  }
  return value;
}
