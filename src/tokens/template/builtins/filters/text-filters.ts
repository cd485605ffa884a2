/** Filters on text. */

import { TemplateFailure, TemplateUnsupported } from "../../errors.js";
import type { Arguments } from "../../values/arguments.js";
import { isAscii } from "../../values/characters.js";
import { jsonText } from "../../values/json-text.js";
import { checkLength } from "../../values/limits.js";
import { escapeMarkup, mapText } from "../../values/markup.js";
import { intOf } from "../../values/numbers.js";
import { formatFilter } from "../../values/percent.js";
import { capitalize } from "../../values/string-methods.js";
import { justify, replace, rsplit, splitLines, strip } from "../../values/string-operations.js";
import { str } from "../../values/text.js";
import {
  codePoints,
  Markup,
  sequenceItems,
  textLength,
  textOf,
  typeName,
  Undefined,
  type Value,
} from "../../values/values.js";
import { bare, type Filter } from "./filter.js";

/** jinja2's title filter: words start after whitespace, hyphens and opening brackets. */
function title(text: string): string {
  return text
    .split(/([-\s({[<]+)/)
    .map((word) => {
      const [first = "", ...rest] = codePoints(word);
      if (!isAscii(first)) throw new TemplateUnsupported("title of text outside ASCII");
      return first.toUpperCase() + rest.join("").toLowerCase();
    })
    .join("");
}

function indent(value: Value, args: Arguments): Value {
  args.expect("width", "first", "blank");
  const width = args.get(0, "width");
  const prefix = textOf(width) ?? " ".repeat(Math.max(0, args.int(0, "width", 4)));
  const text = textOf(value);
  if (text === undefined) throw new TemplateFailure(`indent() needs str, got ${typeName(value)}`);
  const lines = splitLines(`${text}\n`, false);
  checkLength(text.length + lines.length * prefix.length);
  const blank = args.flag(2, "blank");
  const indented = lines.map((line, index) => (index > 0 && (blank || line !== "") ? prefix + line : line)).join("\n");
  const result = args.flag(1, "first") ? prefix + indented : indented;
  return value instanceof Markup ? new Markup(result) : result;
}

function truncate(value: Value, args: Arguments): Value {
  args.expect("s", "length", "killwords", "end", "leeway");
  const length = args.int(0, "length", 255);
  const end = args.get(2, "end") === undefined ? "..." : args.text(2, "end");
  const leeway = (args.get(3, "leeway") ?? null) === null ? 5 : args.int(3, "leeway");
  const text = typeof value === "string" ? value : undefined;
  if (text === undefined) throw new TemplateUnsupported(`truncate of a ${typeName(value)}`);
  const kept = length - textLength(end);
  if (kept < 0 || leeway < 0) throw new TemplateFailure("truncate() needs a length of at least its end's");
  if (textLength(text) <= length + leeway) return text;
  const cut = codePoints(text).slice(0, kept).join("");
  return (args.flag(1, "killwords") ? cut : rsplit(cut, " ", 1)[0]!) + end;
}

function tojson(value: Value, args: Arguments): string {
  args.expect("ensure_ascii", "indent", "separators", "sort_keys");
  if (value instanceof Undefined) throw value.failure();
  const width = args.get(1, "indent");
  let step = width === undefined || width === null ? null : textOf(width);
  if (step === undefined) {
    const spaces = Math.max(0, args.int(1, "indent"));
    checkLength(spaces);
    step = " ".repeat(spaces);
  }
  return jsonText(value, {
    ensureAscii: args.flag(0, "ensure_ascii"),
    indent: step,
    separators: jsonSeparators(args.get(2, "separators"), step !== null),
    sortKeys: args.flag(3, "sort_keys"),
  });
}

function jsonSeparators(given: Value | undefined, indented: boolean): [string, string] {
  if (given === undefined || given === null) return [indented ? "," : ", ", ": "];
  const [comma, colon, ...more] = sequenceItems(given)?.map(textOf) ?? [];
  if (comma === undefined || colon === undefined || more.length > 0) {
    throw new TemplateFailure("tojson() needs two strings for separators");
  }
  return [comma, colon];
}

/** urllib.parse.quote, whose unreserved characters differ from encodeURIComponent's. */
function urlencode(value: Value): string {
  const text = typeof value === "string" || intOf(value) !== undefined ? str(value) : undefined;
  if (text === undefined) throw new TemplateUnsupported(`urlencode of a ${typeName(value)}`);
  const quoted = encodeURIComponent(text).replaceAll("%2F", "/");
  return quoted.replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

const escaped = bare((value) => new Markup(escapeMarkup(value)));

export const TEXT_FILTERS: Readonly<Record<string, Filter>> = {
  trim: (value, args) => {
    const chars = args.expect("chars").optionalText(0, "chars");
    return mapText(value, (text) => strip(text, "both", chars));
  },
  string: bare((value) => (value instanceof Markup ? value : str(value))),
  safe: bare((value) => (value instanceof Markup ? value : new Markup(str(value)))),
  escape: escaped,
  e: escaped,
  forceescape: bare((value) => new Markup(escapeMarkup(str(value)))),
  upper: bare((value) => mapText(value, (text) => text.toUpperCase())),
  lower: bare((value) => mapText(value, (text) => text.toLowerCase())),
  capitalize: bare((value) => mapText(value, capitalize)),
  title: bare((value) => title(str(value))),
  center: (value, args) => {
    const width = args.expect("width").int(0, "width", 80);
    return mapText(value, (text) => justify(text, "both", width, " "));
  },
  indent,
  truncate,
  wordcount: bare((value) => (str(value).match(/[\p{L}\p{N}_]+/gu) ?? []).length),
  replace: (value, args) => {
    args.expect("old", "new", "count");
    const times = args.get(2, "count");
    const count = times === undefined || times === null ? -1 : args.int(2, "count");
    return replace(str(value), str(args.required(0, "old")), str(args.required(1, "new")), count);
  },
  format: (value, args) => formatFilter(value, args.positional, args.keywords),
  tojson,
  urlencode: bare(urlencode),
};
