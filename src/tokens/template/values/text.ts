/** Python's str() and repr(). */
import { TemplateUnsupported } from "../errors.js";
import {
  type DictKey,
  DictView,
  Markup,
  Namespace,
  PyFloat,
  PyFunction,
  PyRange,
  PyTuple,
  typeName,
  Undefined,
  type Value,
} from "./values.js";

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
  return value instanceof Markup ? value.text : repr(value);
}

export function repr(value: Value): string {
  if (value === null) return "None";
  switch (typeof value) {
    case "boolean":
      return value ? "True" : "False";
    case "number":
    case "bigint":
      return String(value);
    case "string":
      return stringRepr(value);
    default:
  }
  if (Array.isArray(value)) return `[${value.map(repr).join(", ")}]`;
  if (value instanceof Map) return dictRepr(value);
  if (value instanceof PyFloat) return floatText(value.value);
  if (value instanceof PyTuple) {
    const items = value.items.map(repr);
    return items.length === 1 ? `(${items[0]},)` : `(${items.join(", ")})`;
  }
  if (value instanceof Undefined) return "Undefined";
  if (value instanceof Markup) return `Markup(${stringRepr(value.text)})`;
  if (value instanceof DictView) return `dict_${value.kind}([${value.items().map(repr).join(", ")}])`;
  if (value instanceof PyRange) {
    const { start, stop, step } = value;
    return `range(${start}, ${stop}${step === 1 ? "" : `, ${step}`})`;
  }
  if (value instanceof Namespace) return `<Namespace ${dictRepr(value.members)}>`;
  if (value instanceof PyFunction && value.kind === "macro") return `<Macro ${stringRepr(value.name)}>`;
  throw new TemplateUnsupported(`printing a value of type ${typeName(value)}`);
}

function dictRepr(dict: ReadonlyMap<DictKey, Value>): string {
  return `{${Array.from(dict, ([key, member]) => `${repr(key)}: ${repr(member)}`).join(", ")}}`;
}

/**
 * Characters whose repr() is the same in every Python from 3.10 on: assigned before Unicode 13 in blocks that no longer grow,
 * or never printable. Later additions are printed by some versions and escaped by others.
 */
const SETTLED =
  /^[\p{ASCII}\u0080-\u085f\u08a0-\uffff\u{1f300}-\u{1f6d2}\u{1f900}-\u{1f9ff}\u{20000}-\u{2a6d6}\u{e0000}-\u{10ffff}]$/u;
const UNPRINTABLE = /^[\p{C}\p{Z}]$/u;

function stringRepr(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replace(/[\\\n\r\t'"]|[^\x20-\x7e]/gu, (char) => {
    if (char === "'" || char === '"') return char === quote ? `\\${char}` : char;
    const simple = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" }[char];
    return simple ?? characterRepr(char);
  });
  return quote + escaped + quote;
}

function characterRepr(char: string): string {
  const code = char.codePointAt(0)!;
  const hex = code.toString(16);
  if (!SETTLED.test(char) || (code > 0x7f && /\p{Cn}/u.test(char))) {
    throw new TemplateUnsupported(
      `a list or dict as text with U+${hex.toUpperCase()}, which Python versions print differently`,
    );
  }
  if (!UNPRINTABLE.test(char)) return char;
  if (code < 0x100) return `\\x${hex.padStart(2, "0")}`;
  return code < 0x10000 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}
