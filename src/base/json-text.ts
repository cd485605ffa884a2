/**
 * JSON text that keeps its numbers and the order of its keys. JSON.parse turns `0.0` into 0, 2512292042121000001 into
 * ...000 and {"10": a, "2": b} into {"2": b, "10": a}, but Python clients and chat templates print what was written, so a
 * dialogue would reach the server with other tokens.
 */

import { INDEX_KEY_PREFIX, prefixesDropped, sortedWrittenKeys, writtenKey } from "./index-keys.js";
import { insertAt } from "./insert-at.js";
import type { JsonValue } from "./json.js";
import { JsonNumber } from "./json-number.js";
import { changedByParsing, type TextRange } from "./json-scan.js";

/**
 * As JSON.parse, except that a number whose literal JSON.stringify would not write again becomes a JsonNumber, and that
 * keys which JavaScript would move get a prefix (see index-keys.ts).
 *
 * JSON.parse alone decides what is valid JSON; texts without such literals and keys cost one scan of what is outside
 * strings.
 *
 * @throws SyntaxError for text that is not JSON, or for a number beyond the range of a double, such as 1e400
 */
export function parseJson(text: string): JsonValue {
  const value = JSON.parse(text) as JsonValue;
  const { keys, literals } = changedByParsing(text);
  if (keys.length > 0) {
    const prefixed = insertAt(text, keys, INDEX_KEY_PREFIX);
    // The places of the literals have moved.
    return prefixesDropped(parseLiterals(prefixed, JSON.parse(prefixed), changedByParsing(prefixed).literals));
  }
  return parseLiterals(text, value, literals);
}

/** @param value - what JSON.parse makes of `text` */
function parseLiterals(text: string, value: JsonValue, places: readonly TextRange[]): JsonValue {
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
  if (!changed && !text.includes(INDEX_KEY_PREFIX)) return text;
  return write(value, indent === 0 ? undefined : { step: " ".repeat(indent), line: "\n" }, (keys) => keys);
}

/**
 * As `stringifyJson`, for an object whose keys are sorted already.
 *
 * @param value - the keys of its objects in ascending order by UTF-16 code unit
 */
export function stringifySorted(value: unknown): string {
  if (typeof value !== "object") return JSON.stringify(value);
  const { text, changed } = JsonNumber.watch(() => JSON.stringify(value));
  if (!changed && !text.includes(INDEX_KEY_PREFIX)) return text;
  return write(value, undefined, sortedWrittenKeys);
}

const SHORT = 40;

function short(literal: string): string {
  return literal.length <= SHORT ? literal : `${literal.slice(0, SHORT)}...`;
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

type KeyOrder = (keys: readonly string[]) => readonly string[];

/** What JSON.stringify writes, literals and the order of keys kept. */
function write(value: unknown, layout: Layout | undefined, order: KeyOrder): string {
  if (value instanceof JsonNumber) return value.literal;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const inner = layout && { ...layout, line: layout.line + layout.step };
  const text = (member: unknown): string => write(member === undefined ? null : member, inner, order);
  if (Array.isArray(value)) return enclosed("[", value.map(text), "]", layout);
  const colon = layout === undefined ? ":" : ": ";
  const members = value as Record<string, unknown>;
  const keys = order(Object.keys(members)).filter((key) => members[key] !== undefined);
  return enclosed(
    "{",
    keys.map((key) => `${JSON.stringify(writtenKey(key))}${colon}${text(members[key])}`),
    "}",
    layout,
  );
}

function enclosed(open: string, parts: readonly string[], close: string, layout: Layout | undefined): string {
  if (layout === undefined || parts.length === 0) return open + parts.join(",") + close;
  const inner = layout.line + layout.step;
  return open + inner + parts.join(`,${inner}`) + layout.line + close;
}
