/** json.dumps(value) as in transformers' tojson, which by default does not escape non-ASCII text. */
import { TemplateFailure } from "../errors.js";
import { sorted } from "./order.js";
import { floatText } from "./text.js";
import { type DictKey, PyFloat, sequenceItems, textOf, typeName, type Value } from "./values.js";

export interface JsonStyle {
  /** The indentation of one level; null puts everything on one line. */
  indent: string | null;
  ensureAscii: boolean;
  separators: readonly [comma: string, colon: string];
  sortKeys: boolean;
}

export function jsonText(value: Value, style: JsonStyle, depth = 0): string {
  if (value === null) return "null";
  if (typeof value === "boolean" || typeof value === "number" || typeof value === "bigint") return String(value);
  const text = textOf(value);
  if (text !== undefined) return quoted(text, style.ensureAscii);
  if (value instanceof PyFloat) return jsonFloat(value.value);
  const items = sequenceItems(value);
  if (items !== undefined) {
    return bracketed(
      "[]",
      items.map((item) => jsonText(item, style, depth + 1)),
      style,
      depth,
    );
  }
  if (value instanceof Map) {
    const keys = style.sortKeys ? sorted([...value.keys()], (key) => key, false) : value.keys();
    const members = Array.from(keys as Iterable<DictKey>, (key) => {
      const name = quoted(key === null ? "null" : String(key), style.ensureAscii);
      return name + style.separators[1] + jsonText(value.get(key)!, style, depth + 1);
    });
    return bracketed("{}", members, style, depth);
  }
  throw new TemplateFailure(`Object of type ${typeName(value)} is not JSON serializable`);
}

function bracketed(brackets: string, parts: readonly string[], style: JsonStyle, depth: number): string {
  if (parts.length === 0) return brackets;
  const { indent, separators } = style;
  const open = indent === null ? "" : `\n${indent.repeat(depth + 1)}`;
  const close = indent === null ? "" : `\n${indent.repeat(depth)}`;
  return brackets[0] + open + parts.join(separators[0] + open) + close + brackets[1];
}

function jsonFloat(value: number): string {
  if (Number.isFinite(value)) return floatText(value);
  if (Number.isNaN(value)) return "NaN";
  return value > 0 ? "Infinity" : "-Infinity";
}

function quoted(text: string, ensureAscii: boolean): string {
  const json = JSON.stringify(text);
  if (!ensureAscii) return json;
  return json.replace(/[\x7f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
