/** Python's character classes. Its whitespace excludes U+FEFF and includes U+0085 and U+001C to U+001F, unlike JavaScript's. */

/** Python's `\s` and str.isspace() as the contents of a character class. */
export const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";

const LEADING = new RegExp(`^[${SPACE}]+`);
const ONE = new RegExp(`[${SPACE}]`);

export function isSpace(char: string): boolean {
  return ONE.test(char);
}

export function trimStart(text: string): string {
  return text.replace(LEADING, "");
}

/** Scans from the end: a regular expression for trailing space is quadratic in long inner runs of space. */
export function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && isSpace(text[end - 1]!)) end -= 1;
  return text.slice(0, end);
}

export function isAscii(text: string): boolean {
  return !/\P{ASCII}/u.test(text);
}
