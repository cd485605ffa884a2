/** The methods of str that give the same result here as in Python. */

import { TemplateFailure, TemplateUnsupported } from "../errors.js";
import type { Arguments } from "./arguments.js";
import { isAscii, SPACE } from "./characters.js";
import { checkLength } from "./limits.js";
import {
  count,
  find,
  justify,
  partition,
  replace,
  rsplit,
  type Side,
  split,
  splitLines,
  strip,
  zfill,
} from "./string-operations.js";
import { listOf, PyTuple, textOf, typeName, type Value } from "./values.js";

export type StringMethod = (text: string, args: Arguments) => Value;

/** A method without arguments. */
const bare =
  (apply: (text: string) => Value): StringMethod =>
  (text, args) => {
    args.positionalOnly(0);
    return apply(text);
  };

const stripped =
  (side: Side): StringMethod =>
  (text, args) =>
    strip(text, side, args.positionalOnly(1).optionalText(0, "chars"));

const justified =
  (side: Side): StringMethod =>
  (text, args) => {
    const fill = args.positionalOnly(2).get(1, "fillchar");
    return justify(text, side, args.int(0, "width"), fill === undefined ? " " : args.text(1, "fillchar"));
  };

const affix =
  (name: string, test: (text: string, part: string) => boolean): StringMethod =>
  (text, args) => {
    if (args.positional.length > 1) throw new TemplateUnsupported(`${name}() with a start`);
    const parts = args.positionalOnly(1).required(0, "affix");
    const one = textOf(parts);
    if (one !== undefined) return test(text, one);
    const several = parts instanceof PyTuple ? parts.items.map(textOf) : [undefined];
    if (several.includes(undefined)) {
      throw new TemplateFailure(`${name} first arg must be str or a tuple of str, not ${typeName(parts)}`);
    }
    return several.some((part) => test(text, part!));
  };

/** The substring of a search; start and end are not supported. */
function wanted(name: string, args: Arguments): string {
  if (args.positional.length > 1) throw new TemplateUnsupported(`${name}() with a start`);
  return args.positionalOnly(1).text(0, "sub");
}

const located =
  (name: string, fromRight: boolean, mustExist: boolean): StringMethod =>
  (text, args) => {
    const at = find(text, wanted(name, args), fromRight);
    if (at < 0 && mustExist) throw new TemplateFailure("substring not found");
    return at;
  };

/** A predicate over all characters, false for empty text. ASCII only, as Unicode tables differ between Python versions. */
const everyCharacter =
  (name: string, pattern: RegExp): StringMethod =>
  (text, args) => {
    args.positionalOnly(0);
    return pattern.test(ascii(name, text));
  };

function ascii(name: string, text: string): string {
  if (!isAscii(text)) throw new TemplateUnsupported(`str.${name}() of text outside ASCII`);
  return text;
}

function join(separator: string, args: Arguments): string {
  const parts = listOf(args.positionalOnly(1).required(0, "iterable")).map((item, index) => {
    const text = textOf(item);
    if (text === undefined)
      throw new TemplateFailure(`sequence item ${index}: expected str instance, ${typeName(item)} found`);
    return text;
  });
  checkLength(parts.reduce((sum, part) => sum + part.length + separator.length, 0));
  return parts.join(separator);
}

export function capitalize(text: string): string {
  const first = ascii("capitalize", text.slice(0, 1));
  return first.toUpperCase() + text.slice(1).toLowerCase();
}

export const STRING_METHODS: Readonly<Record<string, StringMethod>> = {
  strip: stripped("both"),
  lstrip: stripped("left"),
  rstrip: stripped("right"),
  split: (text, args) => {
    args.expect("sep", "maxsplit");
    return split(text, args.optionalText(0, "sep"), args.int(1, "maxsplit", -1));
  },
  rsplit: (text, args) => {
    args.expect("sep", "maxsplit");
    return rsplit(text, args.optionalText(0, "sep"), args.int(1, "maxsplit", -1));
  },
  splitlines: (text, args) => splitLines(text, args.expect("keepends").flag(0, "keepends")),
  partition: (text, args) => new PyTuple(partition(text, args.positionalOnly(1).text(0, "sep"), false)),
  rpartition: (text, args) => new PyTuple(partition(text, args.positionalOnly(1).text(0, "sep"), true)),
  replace: (text, args) => {
    args.positionalOnly(3);
    return replace(text, args.text(0, "old"), args.text(1, "new"), args.int(2, "count", -1));
  },
  startswith: affix("startswith", (text, part) => text.startsWith(part)),
  endswith: affix("endswith", (text, part) => text.endsWith(part)),
  removeprefix: (text, args) => {
    const prefix = args.positionalOnly(1).text(0, "prefix");
    return text.startsWith(prefix) ? text.slice(prefix.length) : text;
  },
  removesuffix: (text, args) => {
    const suffix = args.positionalOnly(1).text(0, "suffix");
    return suffix !== "" && text.endsWith(suffix) ? text.slice(0, -suffix.length) : text;
  },
  upper: bare((text) => text.toUpperCase()),
  lower: bare((text) => text.toLowerCase()),
  capitalize: bare(capitalize),
  title: bare((text) =>
    ascii("title", text).replace(/[A-Za-z]+/g, (word) => word[0]!.toUpperCase() + word.slice(1).toLowerCase()),
  ),
  join,
  count: (text, args) => count(text, wanted("count", args)),
  find: located("find", false, false),
  rfind: located("rfind", true, false),
  index: located("index", false, true),
  rindex: located("rindex", true, true),
  center: justified("both"),
  ljust: justified("left"),
  rjust: justified("right"),
  zfill: (text, args) => zfill(text, args.positionalOnly(1).int(0, "width")),
  isalnum: everyCharacter("isalnum", /^[A-Za-z0-9]+$/),
  isalpha: everyCharacter("isalpha", /^[A-Za-z]+$/),
  isdigit: everyCharacter("isdigit", /^[0-9]+$/),
  isdecimal: everyCharacter("isdecimal", /^[0-9]+$/),
  isnumeric: everyCharacter("isnumeric", /^[0-9]+$/),
  isspace: everyCharacter("isspace", new RegExp(`^[${SPACE}]+$`)),
  islower: everyCharacter("islower", /^[^A-Z]*[a-z][^A-Z]*$/),
  isupper: everyCharacter("isupper", /^[^a-z]*[A-Z][^a-z]*$/),
  isascii: bare((text) => isAscii(text)),
};

/** Unsupported methods of str: naming one is an error, since treating it as undefined would change the result. */
export const OTHER_STRING_METHODS: ReadonlySet<string> = new Set(
  "casefold encode expandtabs format_map isidentifier isprintable istitle maketrans swapcase translate".split(" "),
);

/** Methods that return markup, or a list of it, when called on markup. */
export const MARKUP_METHODS: ReadonlySet<string> = new Set(
  "strip lstrip rstrip upper lower capitalize split rsplit splitlines".split(" "),
);
/** Methods of markup that return a bool or a number. Other methods of markup are not supported. */
export const MARKUP_QUESTIONS: ReadonlySet<string> = new Set(
  "startswith endswith find rfind index rindex count isdigit isalpha isspace".split(" "),
);
