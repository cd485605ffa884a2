/**
 * JSON text that keeps its numbers. JSON.parse turns `0.0` into 0 and 2512292042121000001 into ...000, but Python clients
 * and chat templates print what was written, so a dialogue would reach the server with other tokens.
 */
import type { JsonValue } from "./json.js";
import { JsonNumber } from "./json-number.js";

/**
 * As JSON.parse, except that a number whose literal JSON.stringify would not write again becomes a JsonNumber.
 *
 * JSON.parse alone decides what is valid JSON; texts without such literals cost one scan of what is outside strings.
 *
 * @throws SyntaxError for text that is not JSON, or for a number beyond the range of a double, such as 1e400
 */
export function parseJson(text: string): JsonValue {
  const value = JSON.parse(text) as JsonValue;
  const places = changedLiterals(text);
  if (places.length === 0) return value;
  let quoted = "";
  let done = 0;
  for (const [start, end] of places) {
    const literal = text.slice(start, end);
    if (!Number.isFinite(Number(literal))) throw new SyntaxError(`the number ${short(literal)} exceeds a double`);
    quoted += `${text.slice(done, start)}"${literal}"`;
    done = end;
  }
  return withLiterals(value, JSON.parse(quoted + text.slice(done)) as JsonValue);
}

/**
 * JSON.stringify, in which a JsonNumber is written as its literal.
 * @param indent - spaces per level; 0 for one line
 */
export function stringifyJson(value: unknown, indent = 0): string {
  if (typeof value !== "object") return JSON.stringify(value);
  const { text, changed } = JsonNumber.watch(() => JSON.stringify(value, null, indent));
  if (!changed) return text;
  return write(value, indent === 0 ? undefined : { step: " ".repeat(indent), line: "\n" });
}

const SHORT = 40;

function short(literal: string): string {
  return literal.length <= SHORT ? literal : `${literal.slice(0, SHORT)}...`;
}

const [QUOTE, BACKSLASH, MINUS, ZERO, NINE] = Array.from('"\\-09', (character) => character.charCodeAt(0)) as [
  number,
  number,
  number,
  number,
  number,
];

/** Whole numbers of fewer characters are exact in a double and written back as they were. */
const INEXACT_LENGTH = 16;
/** Longer stretches without a string are lists of numbers: native searches clear most of them at once. */
const LONG_STRETCH = 256;
const NOT_IN_INTEGERS = /[.eE-]/;
const NOT_IN_NUMBERS = /[^\d.eE+-]/g;

/** Start and end of the number literals in valid JSON that JSON.stringify would write differently. */
function changedLiterals(text: string): [start: number, end: number][] {
  const places: [number, number][] = [];
  const { length } = text;
  let at = 0;
  let searched = 0;
  while (at < length) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = stringEnd(text, at);
      continue;
    }
    if (code !== MINUS && !isDigit(code)) {
      at += 1;
      continue;
    }
    if (at >= searched) {
      const quote = text.indexOf('"', at);
      searched = quote < 0 ? length : quote;
      if (searched - at >= LONG_STRETCH && holdsShortIntegers(text.slice(at, searched))) {
        at = searched;
        continue;
      }
    }
    const start = at;
    do at += 1;
    while (isDigit(text.charCodeAt(at)));
    const isPlain = code !== MINUS && !NUMBER_GOES_ON.has(text.charCodeAt(at));
    if (isPlain && at - start < INEXACT_LENGTH) continue;
    NOT_IN_NUMBERS.lastIndex = at;
    at = NOT_IN_NUMBERS.exec(text)?.index ?? length;
    const literal = text.slice(start, at);
    if (String(Number(literal)) !== literal) places.push([start, at]);
  }
  return places;
}

const NUMBER_GOES_ON = new Set(Array.from(".eE", (character) => character.charCodeAt(0)));

function isDigit(code: number): boolean {
  return code >= ZERO && code <= NINE;
}

/** Whether JSON without strings holds no number but whole ones that are exact in a double. */
function holdsShortIntegers(stretch: string): boolean {
  if (NOT_IN_INTEGERS.test(stretch)) return false;
  // A run of so many digits covers one of every so many places.
  for (let at = INEXACT_LENGTH - 1; at < stretch.length; at += INEXACT_LENGTH) {
    if (!isDigit(stretch.charCodeAt(at))) continue;
    let start = at;
    while (isDigit(stretch.charCodeAt(start - 1))) start -= 1;
    while (isDigit(stretch.charCodeAt(at + 1))) at += 1;
    if (at - start + 1 >= INEXACT_LENGTH) return false;
  }
  return true;
}

/** The place after the string that begins at `start`. */
function stringEnd(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end >= 0 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end < 0 ? text.length : end + 1;
}

function isEscaped(text: string, at: number): boolean {
  let before = at;
  while (text.charCodeAt(before - 1) === BACKSLASH) before -= 1;
  return (at - before) % 2 === 1;
}

/**
 * `value` with a JsonNumber wherever it has a number and `quoted`, the same JSON with some literals quoted, a string.
 * Not recursive: JSON.parse takes any depth.
 */
function withLiterals(value: JsonValue, quoted: JsonValue): JsonValue {
  if (typeof value === "number" && typeof quoted === "string") return new JsonNumber(quoted);
  const open: [JsonValue, JsonValue][] = [[value, quoted]];
  for (let pair = open.pop(); pair !== undefined; pair = open.pop()) {
    const [target, source] = pair as [Record<string, JsonValue>, Record<string, JsonValue>];
    for (const key of Object.keys(target)) {
      const [member, spelled] = [target[key]!, source[key]!];
      if (typeof member === "object") {
        if (member !== null) open.push([member, spelled]);
      } else if (typeof member === "number" && typeof spelled === "string") {
        // Not assigned: a key of untrusted input may be __proto__.
        const literal = new JsonNumber(spelled);
        Object.defineProperty(target, key, { value: literal, enumerable: true, writable: true, configurable: true });
      }
    }
  }
  return value;
}

interface Layout {
  step: string;
  /** The line break with the indentation of the value that is being written. */
  line: string;
}

/** What JSON.stringify writes, literals kept. */
function write(value: unknown, layout: Layout | undefined): string {
  if (value instanceof JsonNumber) return value.literal;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const inner = layout && { ...layout, line: layout.line + layout.step };
  const text = (member: unknown): string => write(member === undefined ? null : member, inner);
  if (Array.isArray(value)) return enclosed("[", value.map(text), "]", layout);
  const colon = layout === undefined ? ":" : ": ";
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return enclosed(
    "{",
    members.map(([key, member]) => `${JSON.stringify(key)}${colon}${text(member)}`),
    "}",
    layout,
  );
}

function enclosed(open: string, parts: readonly string[], close: string, layout: Layout | undefined): string {
  if (layout === undefined || parts.length === 0) return open + parts.join(",") + close;
  const inner = layout.line + layout.step;
  return open + inner + parts.join(`,${inner}`) + layout.line + close;
}
