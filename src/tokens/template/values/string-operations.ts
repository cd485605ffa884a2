/** Implementations of str's methods, with Python's results. */
import { TemplateFailure } from "../errors.js";
import { isSpace, SPACE, trimEnd, trimStart } from "./characters.js";
import { checkLength } from "./limits.js";
import { codePoints, textLength } from "./values.js";

const WORDS = new RegExp(`[^${SPACE}]+`, "g");

export type Side = "both" | "left" | "right";

/** Strips whitespace, or the characters in `chars`, from one or both sides. */
export function strip(text: string, side: Side, chars: string | null): string {
  if (chars === null) {
    const left = side === "right" ? text : trimStart(text);
    return side === "left" ? left : trimEnd(left);
  }
  const set = new Set(codePoints(chars));
  const points = codePoints(text);
  let start = 0;
  let end = points.length;
  if (side !== "right") while (start < end && set.has(points[start]!)) start += 1;
  if (side !== "left") while (end > start && set.has(points[end - 1]!)) end -= 1;
  return points.slice(start, end).join("");
}

/** str.split(sep, maxsplit); a null separator splits at runs of whitespace. */
export function split(text: string, sep: string | null, maxSplit: number): string[] {
  if (sep === null) {
    const words: string[] = [];
    for (const match of text.matchAll(WORDS)) {
      if (maxSplit >= 0 && words.length === maxSplit) {
        words.push(text.slice(match.index));
        break;
      }
      words.push(match[0]);
    }
    return words;
  }
  const parts = text.split(notEmpty(sep));
  if (maxSplit < 0 || parts.length <= maxSplit + 1) return parts;
  return [...parts.slice(0, maxSplit), parts.slice(maxSplit).join(sep)];
}

/** str.rsplit(sep, maxsplit). */
export function rsplit(text: string, sep: string | null, maxSplit: number): string[] {
  if (maxSplit < 0) return split(text, sep, -1);
  return sep === null ? rsplitSpace(text, maxSplit) : rsplitAt(text, notEmpty(sep), maxSplit);
}

function rsplitAt(text: string, sep: string, maxSplit: number): string[] {
  const parts: string[] = [];
  let rest = text;
  while (parts.length < maxSplit) {
    const at = rest.lastIndexOf(sep);
    if (at < 0) break;
    parts.push(rest.slice(at + sep.length));
    rest = rest.slice(0, at);
  }
  return [rest, ...parts.reverse()];
}

function rsplitSpace(text: string, maxSplit: number): string[] {
  const words: string[] = [];
  let end = trimEnd(text).length;
  while (end > 0 && words.length < maxSplit) {
    let start = end;
    while (start > 0 && !isSpace(text[start - 1]!)) start -= 1;
    words.push(text.slice(start, end));
    end = trimEnd(text.slice(0, start)).length;
  }
  if (end > 0) words.push(text.slice(0, end));
  return words.reverse();
}

function notEmpty(sep: string): string {
  if (sep === "") throw new TemplateFailure("empty separator");
  return sep;
}

/** str.partition(sep) or, from the right, str.rpartition(sep). */
export function partition(text: string, sep: string, fromRight: boolean): [string, string, string] {
  const at = fromRight ? text.lastIndexOf(notEmpty(sep)) : text.indexOf(notEmpty(sep));
  if (at < 0) return fromRight ? ["", "", text] : [text, "", ""];
  return [text.slice(0, at), sep, text.slice(at + sep.length)];
}

const LINE_END = "\r\n|[\\n\\r\\v\\f\\x1c-\\x1e\\x85\\u2028\\u2029]";
const LINES = new RegExp(`[^\\n\\r\\v\\f\\x1c-\\x1e\\x85\\u2028\\u2029]*(?:${LINE_END}|$)`, "g");
const FINAL_LINE_END = new RegExp(`(?:${LINE_END})$`);

/** str.splitlines(keepends). */
export function splitLines(text: string, keepEnds: boolean): string[] {
  const lines = text.match(LINES) ?? [];
  if (lines.at(-1) === "") lines.pop();
  return keepEnds ? lines : lines.map((line) => line.replace(FINAL_LINE_END, ""));
}

/** str.replace(old, new, count). */
export function replace(text: string, old: string, by: string, count: number): string {
  const pieces = old === "" ? ["", ...codePoints(text), ""] : text.split(old);
  const replaced = count < 0 ? pieces.length - 1 : Math.min(count, pieces.length - 1);
  checkLength(text.length + replaced * by.length);
  if (replaced === pieces.length - 1) return pieces.join(by);
  return pieces.slice(0, replaced + 1).join(by) + old + pieces.slice(replaced + 1).join(old);
}

/** str.center, ljust or rjust. */
export function justify(text: string, side: Side, width: number, fill: string): string {
  const missing = Math.max(0, width - textLength(text));
  checkLength(missing);
  if (textLength(fill) !== 1) throw new TemplateFailure("The fill character must be exactly one character long");
  if (side === "left") return text + fill.repeat(missing);
  if (side === "right") return fill.repeat(missing) + text;
  // Python puts an odd padding character on the left only if the width is odd too.
  const left = Math.floor(missing / 2) + (missing & width & 1);
  return fill.repeat(left) + text + fill.repeat(missing - left);
}

/** str.find or str.rfind in code points; -1 if there is no match. */
export function find(text: string, part: string, fromRight: boolean): number {
  const at = fromRight ? text.lastIndexOf(part) : text.indexOf(part);
  return at < 0 ? -1 : textLength(text.slice(0, at));
}

export function count(text: string, part: string): number {
  return part === "" ? textLength(text) + 1 : text.split(part).length - 1;
}

/** str.zfill(width): inserts zeros after the sign. */
export function zfill(text: string, width: number): string {
  const missing = Math.max(0, width - textLength(text));
  checkLength(missing);
  const sign = /^[-+]/.test(text) ? 1 : 0;
  return text.slice(0, sign) + "0".repeat(missing) + text.slice(sign);
}
