/** Finds in JSON text what JSON.parse would change: literals of numbers, and keys that JavaScript would move. */
import { INDEX_KEY_PREFIX, needsPrefix } from "./index-keys.js";

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

export type TextRange = [start: number, end: number];

/**
 * The number literals in valid JSON that JSON.stringify would write differently, and the places of the keys that need a
 * prefix, each behind its opening quote.
 */
export function changedByParsing(text: string): { literals: TextRange[]; keys: number[] } {
  const literals: TextRange[] = [];
  const keys: number[] = [];
  const { length } = text;
  let at = 0;
  let searched = 0;
  while (at < length) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const end = stringEnd(text, at);
      if (MAY_NEED_PREFIX.has(text.charCodeAt(at + 1)) && isPrefixedKey(text, at, end)) keys.push(at + 1);
      at = end;
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
    if (String(Number(literal)) !== literal) literals.push([start, at]);
  }
  return { literals, keys };
}

/** First characters of keys that are indices: a digit, or one that is escaped, or our prefix. */
const MAY_NEED_PREFIX = new Set(Array.from(`0123456789\\${INDEX_KEY_PREFIX}`, (character) => character.charCodeAt(0)));
const COLON = /[ \t\r\n]*:/y;

/** Whether the string from `start` to `end`, quotes included, is a key that needs a prefix. */
function isPrefixedKey(text: string, start: number, end: number): boolean {
  COLON.lastIndex = end;
  if (!COLON.test(text)) return false;
  const literal = text.slice(start, end);
  return needsPrefix(literal.includes("\\") ? (JSON.parse(literal) as string) : literal.slice(1, -1));
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
