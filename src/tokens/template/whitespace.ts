/** str.strip and str.split as Python does them: its white space is not JavaScript's (no U+FEFF, but U+0085 and U+001C..1F). */

const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const LEADING = new RegExp(`^[${SPACE}]+`);
const TRAILING = new RegExp(`[${SPACE}]+$`);
const WORDS = new RegExp(`[^${SPACE}]+`, "g");

export type Side = "both" | "left" | "right";

/** Removes white space, or with `chars` every character of that set, from the sides. */
export function strip(text: string, side: Side, chars: string | null): string {
  if (chars === null) {
    const left = side === "right" ? text : text.replace(LEADING, "");
    return side === "left" ? left : trimEnd(left);
  }
  const set = new Set(chars);
  const points = Array.from(text);
  let start = 0;
  let end = points.length;
  if (side !== "right") while (start < end && set.has(points[start]!)) start += 1;
  if (side !== "left") while (end > start && set.has(points[end - 1]!)) end -= 1;
  return points.slice(start, end).join("");
}

/** A trailing-space regex is quadratic on long inner runs of space; walking from the end is not. */
function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && TRAILING.test(text[end - 1]!)) end -= 1;
  return text.slice(0, end);
}

/** str.split(sep, maxsplit); sep null splits at runs of white space. */
export function split(text: string, sep: string | null, maxSplit: number): string[] {
  if (sep === null) {
    const words: string[] = [];
    for (const match of text.matchAll(WORDS)) {
      if (maxSplit >= 0 && words.length === maxSplit) {
        words.push(trimEnd(text.slice(match.index)));
        break;
      }
      words.push(match[0]);
    }
    return words;
  }
  const parts = text.split(sep);
  if (maxSplit < 0 || parts.length <= maxSplit + 1) return parts;
  return [...parts.slice(0, maxSplit), parts.slice(maxSplit).join(sep)];
}

/** str.rsplit(sep, maxsplit) for a given separator. */
export function rsplit(text: string, sep: string, maxSplit: number): string[] {
  if (maxSplit < 0) return text.split(sep);
  const parts: string[] = [];
  let rest = text;
  while (parts.length < maxSplit) {
    const at = rest.lastIndexOf(sep);
    if (at < 0) break;
    parts.unshift(rest.slice(at + sep.length));
    rest = rest.slice(0, at);
  }
  return [rest, ...parts];
}

/** str.replace(old, new, count). */
export function replace(text: string, old: string, by: string, count: number): string {
  const pieces = old === "" ? ["", ...Array.from(text), ""] : text.split(old);
  const limit = count < 0 ? pieces.length : count;
  let result = pieces[0]!;
  for (let i = 1; i < pieces.length; i += 1) result += (i <= limit ? by : old) + pieces[i]!;
  return result;
}
