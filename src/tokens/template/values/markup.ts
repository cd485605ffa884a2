/** markupsafe's escaping. */
import { str } from "./text.js";
import { Markup, type Value } from "./values.js";

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  ">": "&gt;",
  "<": "&lt;",
  "'": "&#39;",
  '"': "&#34;",
};

/** A value's text for concatenation with markup: escaped unless it is markup itself. */
export function escapeMarkup(value: Value): string {
  return value instanceof Markup ? value.text : escapeText(str(value));
}

export function escapeText(text: string): string {
  return text.replace(/[&<>'"]/g, (char) => ENTITIES[char]!);
}

/** Applies a function to the text of a value and keeps Markup as Markup; other values are converted with str(). */
export function mapText(value: Value, apply: (text: string) => string): string | Markup {
  return value instanceof Markup ? new Markup(apply(value.text)) : apply(str(value));
}
