/** How Python writes values: str(), repr() and json.dumps(). */
import { TemplateFailure, TemplateUnsupported } from "./errors.js";
import { Markup, PyFloat, PyTuple, PyView, typeName, Undefined, type Value } from "./values.js";

/** repr() of a float: shortest digits, exponent form below 1e-4 and from 1e16 on. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  const [mantissa, exponentText] = value.toExponential().split("e") as [string, string];
  const exponent = Number(exponentText);
  if (value !== 0 && (exponent < -4 || exponent >= 16)) {
    const sign = exponent < 0 ? "-" : "+";
    return `${mantissa}e${sign}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  if (Object.is(value, -0)) return "-0.0";
  // toString() stays positional in this range, except 1e-5 < |x| < 1e-4 which is handled above.
  const text = value.toString();
  return text.includes(".") ? text : `${text}.0`;
}

/** str(value): what `{{ value }}` prints. */
export function str(value: Value): string {
  if (typeof value === "string") return value;
  if (value instanceof Undefined) return "";
  if (value instanceof Markup) return value.text;
  return repr(value);
}

function repr(value: Value): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  if (value instanceof PyFloat) return floatText(value.value);
  if (typeof value === "string") return stringRepr(value);
  if (value instanceof Undefined) return "Undefined";
  if (value instanceof PyTuple) return value.length === 1 ? `(${repr(value[0]!)},)` : `(${value.map(repr).join(", ")})`;
  if (value instanceof PyView) throw new TemplateUnsupported("printing dict.items() or the like");
  if (Array.isArray(value)) return `[${value.map(repr).join(", ")}]`;
  if (value instanceof Map) {
    return `{${[...value].map(([key, member]) => `${stringRepr(key)}: ${repr(member)}`).join(", ")}}`;
  }
  throw new TemplateUnsupported(`printing a ${typeName(value)}`);
}

function stringRepr(text: string): string {
  // Python escapes what its Unicode tables call unprintable; those tables change with its version.
  if (/[^\x20-\x7e]/.test(text.replace(/[\n\r\t]/g, ""))) {
    throw new TemplateUnsupported("printing a list or dict with text outside ASCII");
  }
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\r", "\\r").replaceAll("\t", "\\t");
  return quote + (quote === "'" ? escaped.replaceAll("'", "\\'") : escaped) + quote;
}

export interface JsonStyle {
  indent: number | null;
  ensureAscii: boolean;
  separators: readonly [string, string] | null;
  sortKeys: boolean;
}

/** json.dumps(value): transformers' tojson, which leaves text outside ASCII as it is unless told otherwise. */
export function jsonText(value: Value, style: JsonStyle, depth = 0): string {
  if (value === null) return "null";
  if (typeof value === "boolean") return value ? "true" : "false";
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  if (typeof value === "string") return quoted(value, style.ensureAscii);
  if (value instanceof PyFloat) {
    if (!Number.isFinite(value.value)) throw new TemplateUnsupported("tojson of a number that is not finite");
    return floatText(value.value);
  }
  const [comma, colon] = style.separators ?? (style.indent === null ? [", ", ": "] : [",", ": "]);
  const open = style.indent === null ? "" : `\n${" ".repeat(style.indent * (depth + 1))}`;
  const close = style.indent === null ? "" : `\n${" ".repeat(style.indent * depth)}`;
  if (Array.isArray(value) && !(value instanceof PyView)) {
    if (value.length === 0) return "[]";
    return `[${open}${value.map((item) => jsonText(item, style, depth + 1)).join(comma + open)}${close}]`;
  }
  if (value instanceof Map) {
    if (value.size === 0) return "{}";
    const entries = [...value];
    if (style.sortKeys) entries.sort(([a], [b]) => compareCodePoints(a, b));
    const members = entries.map(
      ([key, member]) => quoted(key, style.ensureAscii) + colon + jsonText(member, style, depth + 1),
    );
    return `{${open}${members.join(comma + open)}${close}}`;
  }
  throw new TemplateFailure(`Object of type ${typeName(value)} is not JSON serializable`);
}

function quoted(text: string, ensureAscii: boolean): string {
  const json = JSON.stringify(text);
  if (!ensureAscii) return json;
  return json.replace(/[\x7f-\uffff]/g, (unit) =>
    unit === "\x7f" ? unit : `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Python orders strings by code point, JavaScript by UTF-16 unit. */
export function compareCodePoints(a: string, b: string): number {
  const left = Array.from(a, (char) => char.codePointAt(0)!);
  const right = Array.from(b, (char) => char.codePointAt(0)!);
  for (let i = 0; i < Math.min(left.length, right.length); i += 1) {
    if (left[i] !== right[i]) return left[i]! - right[i]!;
  }
  return left.length - right.length;
}
