/** Attributes and items: jinja2 looks for a Python attribute first with a dot, for an item first with brackets. */
import { Arguments } from "./arguments.js";
import { TemplateFailure, TemplateUnsupported } from "./errors.js";
import {
  Loop,
  Markup,
  Namespace,
  PyFunction,
  PyTuple,
  PyView,
  typeName,
  Undefined,
  undefinedError,
  type Value,
} from "./values.js";
import { replace, rsplit, split, strip } from "./whitespace.js";

type Method<T> = (self: T, args: Arguments) => Value;

/** A method or filter without arguments. */
const bare =
  <T>(apply: (self: T) => Value): Method<T> =>
  (self, args) => {
    args.expect();
    return apply(self);
  };

const affix =
  (name: string, test: (text: string, part: string) => boolean): Method<string> =>
  (text, args) => {
    const parts = args.expect("affix").get(0, "affix");
    if (typeof parts === "string") return test(text, parts);
    if (parts instanceof PyTuple && parts.every((part) => typeof part === "string")) {
      return parts.some((part) => test(text, part as string));
    }
    throw new TemplateFailure(`${name} first arg must be str or a tuple of str`);
  };

const STRING_METHODS: Record<string, Method<string>> = {
  strip: (text, args) => strip(text, "both", args.expect("chars").optionalText(0, "chars")),
  lstrip: (text, args) => strip(text, "left", args.expect("chars").optionalText(0, "chars")),
  rstrip: (text, args) => strip(text, "right", args.expect("chars").optionalText(0, "chars")),
  split: (text, args) => {
    args.expect("sep", "maxsplit");
    return split(text, separator(args), args.int(1, "maxsplit", -1));
  },
  rsplit: (text, args) => {
    args.expect("sep", "maxsplit");
    const sep = separator(args);
    if (sep === null) throw new TemplateUnsupported("rsplit() at white space");
    return rsplit(text, sep, args.int(1, "maxsplit", -1));
  },
  replace: (text, args) => {
    args.expect("old", "new", "count");
    return replace(text, args.text(0, "old"), args.text(1, "new"), args.int(2, "count", -1));
  },
  startswith: affix("startswith", (text, part) => text.startsWith(part)),
  endswith: affix("endswith", (text, part) => text.endsWith(part)),
  removeprefix: (text, args) => {
    const prefix = args.expect("prefix").text(0, "prefix");
    return text.startsWith(prefix) ? text.slice(prefix.length) : text;
  },
  removesuffix: (text, args) => {
    const suffix = args.expect("suffix").text(0, "suffix");
    return suffix !== "" && text.endsWith(suffix) ? text.slice(0, -suffix.length) : text;
  },
  upper: bare((text) => text.toUpperCase()),
  lower: bare((text) => text.toLowerCase()),
  join: (text, args) =>
    (args.expect("iterable").get(0, "iterable") as Value[])
      .map((item) => {
        if (typeof item !== "string") throw new TemplateFailure("join() needs strings");
        return item;
      })
      .join(text),
  count: (text, args) => {
    const part = args.expect("sub").text(0, "sub");
    return part === "" ? Array.from(text).length + 1 : text.split(part).length - 1;
  },
};

const DICT_METHODS: Record<string, Method<Map<string, Value>>> = {
  items: bare((dict) => pairsOf(dict)),
  keys: bare((dict) => PyView.from(dict.keys())),
  values: bare((dict) => PyView.from(dict.values())),
  get: (dict, args) => {
    const key = args.expect("key", "default").get(0, "key");
    const member = typeof key === "string" ? dict.get(key) : undefined;
    return member === undefined ? (args.get(1, "default") ?? null) : member;
  },
};

/** Python has these too; a template that uses one is refused rather than rendered as if the name did not exist. */
const OTHER_STRING = new Set(
  "capitalize casefold center encode expandtabs find format format_map index isalnum isalpha isascii isdecimal isdigit isidentifier islower isnumeric isprintable isspace istitle isupper ljust maketrans partition rfind rindex rjust rpartition splitlines swapcase title translate zfill".split(
    " ",
  ),
);
const OTHER_DICT = new Set("clear copy fromkeys pop popitem setdefault update".split(" "));
const OTHER_LIST = new Set("append clear copy count extend index insert pop remove reverse sort".split(" "));
const OTHER_NUMBER = new Set(
  "as_integer_ratio bit_count bit_length conjugate denominator from_bytes fromhex hex imag is_integer numerator real to_bytes".split(
    " ",
  ),
);

/** The pairs of a dict, as its items() gives them. */
export function pairsOf(dict: ReadonlyMap<string, Value>): Value[] {
  return PyView.from(dict, (pair) => PyTuple.from(pair) as PyTuple);
}

function separator(args: Arguments): string | null {
  const sep = args.optionalText(0, "sep");
  if (sep === "") throw new TemplateFailure("empty separator");
  return sep;
}

function bind<T>(methods: Record<string, Method<T>>, self: T, name: string): PyFunction | undefined {
  if (!Object.hasOwn(methods, name)) return undefined;
  const method = methods[name]!;
  return new PyFunction(name, (positional, keywords) => method(self, new Arguments(name, positional, keywords)));
}

/** A Python attribute of a value, or undefined where it has none of that name. */
function attributeOf(value: Value, name: string): Value | undefined {
  if (name.startsWith("_")) throw new TemplateUnsupported(`the attribute ${name}`);
  const refuse = (others: ReadonlySet<string>): undefined => {
    if (others.has(name)) throw new TemplateUnsupported(`the method ${typeName(value)}.${name}`);
    return undefined;
  };
  if (value instanceof Undefined) throw undefinedError(value);
  if (typeof value === "string") return bind(STRING_METHODS, value, name) ?? refuse(OTHER_STRING);
  if (value instanceof Map) return bind(DICT_METHODS, value, name) ?? refuse(OTHER_DICT);
  if (Array.isArray(value)) return refuse(OTHER_LIST);
  if (value instanceof Namespace) return value.members.get(name);
  if (value instanceof Loop) return loopAttribute(value, name);
  if (value instanceof Markup || value instanceof PyFunction)
    throw new TemplateUnsupported(`an attribute of a ${typeName(value)}`);
  return value === null ? undefined : refuse(OTHER_NUMBER);
}

function loopAttribute({ items, index0 }: Loop, name: string): Value | undefined {
  switch (name) {
    case "index":
      return index0 + 1;
    case "index0":
      return index0;
    case "revindex":
      return items.length - index0;
    case "revindex0":
      return items.length - index0 - 1;
    case "first":
      return index0 === 0;
    case "last":
      return index0 === items.length - 1;
    case "length":
      return items.length;
    case "depth":
      // It counts recursive loops only, which are refused.
      return 1;
    case "depth0":
      return 0;
    case "previtem":
      return index0 > 0 ? items[index0 - 1] : new Undefined("there is no previous item");
    case "nextitem":
      return index0 < items.length - 1 ? items[index0 + 1] : new Undefined("there is no next item");
    default:
      throw new TemplateUnsupported(`loop.${name}`);
  }
}

function itemOf(value: Value, key: Value): Value | undefined {
  if (value instanceof Undefined) throw undefinedError(value);
  if (value instanceof Map) return typeof key === "string" ? value.get(key) : undefined;
  if (typeof key !== "number" && typeof key !== "boolean") return undefined;
  const index = Number(key);
  if (typeof value === "string") return Array.from(value).at(index);
  return Array.isArray(value) && !(value instanceof PyView) ? value.at(index) : undefined;
}

/** `value.name` */
export function getAttribute(value: Value, name: string): Value {
  const attribute = attributeOf(value, name);
  if (attribute !== undefined) return attribute;
  const item = itemOf(value, name);
  return item === undefined ? new Undefined(`'${typeName(value)}' has no attribute '${name}'`) : item;
}

/** `value[key]` */
export function getItem(value: Value, key: Value): Value {
  const item = itemOf(value, key);
  if (item !== undefined) return item;
  if (key instanceof Undefined) return new Undefined(`item of '${typeName(value)}'`);
  const attribute = typeof key === "string" ? attributeOf(value, key) : undefined;
  if (attribute !== undefined) return attribute;
  return new Undefined(`'${typeName(value)}' has no item ${typeof key === "string" ? `'${key}'` : "at that place"}`);
}
