/** Characters as Python classes them; its white space has no U+FEFF as JavaScript's, but U+0085 and U+001C to U+001F. */

/** A character class's content, as `\s` and str.isspace() have it in Python. */
export const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";

const LEADING = new RegExp(`^[${SPACE}]+`);
const ONE = new RegExp(`[${SPACE}]`);

export function isSpace(char: string): boolean {
  return ONE.test(char);
}

export function trimStart(text: string): string {
  return text.replace(LEADING, "");
}

/** A regular expression for trailing space is quadratic on long inner runs of space; walking from the end is not. */
export function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && isSpace(text[end - 1]!)) end -= 1;
  return text.slice(0, end);
}

export function isAscii(text: string): boolean {
  return !/\P{ASCII}/u.test(text);
}
