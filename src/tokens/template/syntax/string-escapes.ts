/** Decodes string literals with Python's `unicode-escape`, as jinja2 does. */
import { TemplateSyntaxError, TemplateUnsupported } from "../errors.js";

const SIMPLE: Readonly<Record<string, string>> = {
  "\n": "",
  "\\": "\\",
  "'": "'",
  '"': '"',
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

const DIGITS: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

const ESCAPE = /\\([0-7]{1,3}|[xuU][0-9a-fA-F]*|[\s\S])/gu;

export function unescapeString(written: string, line: number): string {
  if (!written.includes("\\")) return written;
  return asciiOnly(written).replace(ESCAPE, (whole, escaped: string) => {
    const kind = escaped[0]!;
    if (/^[0-7]+$/.test(escaped)) return String.fromCharCode(Number.parseInt(escaped, 8));
    const length = DIGITS[kind];
    if (length !== undefined) {
      const digits = escaped.slice(1, 1 + length);
      const code = Number.parseInt(digits, 16);
      if (digits.length < length || code > 0x10ffff) {
        throw new TemplateSyntaxError(`a string has the incomplete escape ${whole}`).at(line);
      }
      return String.fromCodePoint(code) + escaped.slice(1 + length);
    }
    if (kind === "N") throw new TemplateUnsupported("a character by its name (\\N{...})").at(line);
    return Object.hasOwn(SIMPLE, kind) ? SIMPLE[kind]! : whole;
  });
}

/** jinja2 first escapes non-ASCII characters, so after a backslash they decode to the text of their escape. */
function asciiOnly(text: string): string {
  return text.replace(/\P{ASCII}/gu, (char) => {
    const code = char.codePointAt(0)!;
    if (code < 0x100) return `\\x${code.toString(16).padStart(2, "0")}`;
    return code < 0x10000 ? `\\u${code.toString(16).padStart(4, "0")}` : `\\U${code.toString(16).padStart(8, "0")}`;
  });
}
