/** Attribute and item lookup. `a.b` tries the Python attribute first, `a['b']` the item. */

import { TemplateFailure, TemplateUnsupported } from "../errors.js";
import { Arguments } from "./arguments.js";
import { formatBraces } from "./format-braces.js";
import { intOf } from "./numbers.js";
import { dictKey, equals, keyOf } from "./order.js";
import {
  MARKUP_METHODS,
  MARKUP_QUESTIONS,
  OTHER_STRING_METHODS,
  STRING_METHODS,
  type StringMethod,
} from "./string-methods.js";
import {
  codePoints,
  type Dict,
  DictView,
  Markup,
  NamedTuple,
  Namespace,
  PyFloat,
  PyFunction,
  PyIterator,
  PyObject,
  PyRange,
  PyTuple,
  sequenceItems,
  textOf,
  typeName,
  Undefined,
  type Value,
} from "./values.js";

export type DictMethod = (dict: Dict, args: Arguments) => Value;

export const DICT_METHODS: Readonly<Record<string, DictMethod>> = {
  items: (dict, args) => view("items", dict, args),
  keys: (dict, args) => view("keys", dict, args),
  values: (dict, args) => view("values", dict, args),
  get: (dict, args) => {
    const key = dictKey(args.positionalOnly(2).required(0, "key"));
    const member = key === undefined ? undefined : dict.get(key);
    if (member !== undefined) return member;
    const fallback = args.get(1, "default");
    return fallback === undefined ? null : fallback;
  },
  copy: (dict, args) => {
    args.positionalOnly(0);
    return new Map(dict);
  },
};

function view(kind: DictView["kind"], dict: Dict, args: Arguments): DictView {
  args.positionalOnly(0);
  return new DictView(kind, dict);
}

/** Methods that the sandbox hides because they mutate: calling one fails, printing one prints nothing. */
const MUTATING: Readonly<Record<"dict" | "list", ReadonlySet<string>>> = {
  dict: new Set(["clear", "pop", "popitem", "setdefault", "update"]),
  list: new Set(["append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"]),
};

const NUMBER_ATTRIBUTES: ReadonlySet<string> = new Set(
  "as_integer_ratio bit_count bit_length conjugate denominator from_bytes fromhex hex imag is_integer numerator real to_bytes".split(
    " ",
  ),
);
const ITERATOR_ATTRIBUTES: ReadonlySet<string> = new Set(
  "close gi_code gi_frame gi_running gi_suspended gi_yieldfrom send throw".split(" "),
);
const MACRO_ATTRIBUTES: ReadonlySet<string> = new Set(
  "arguments caller catch_kwargs catch_varargs explicit_caller name".split(" "),
);

function unsafe(value: Value, name: string): Undefined {
  return new Undefined(`access to attribute '${name}' of '${typeName(value)}' object is unsafe`);
}

function unsupported(value: Value, name: string): never {
  throw new TemplateUnsupported(`${typeName(value)}.${name}`);
}

function method<T>(apply: (self: T, args: Arguments) => Value, self: T, name: string): PyFunction {
  return new PyFunction(name, (positional, keywords) => apply(self, new Arguments(name, positional, keywords)));
}

/** A Python attribute of a value, or undefined if it has no such attribute. */
function attributeOf(value: Value, name: string): Value | undefined {
  if (value instanceof Undefined) throw value.failure();
  if (name.startsWith("__") && name.endsWith("__")) {
    if (value instanceof Map && value.has(name)) unsupported(value, name);
    return unsafe(value, name);
  }
  if (typeof value === "string") return stringAttribute(value, name);
  if (value instanceof Map) {
    if (Object.hasOwn(DICT_METHODS, name)) return method(DICT_METHODS[name]!, value, name);
    if (MUTATING.dict.has(name)) return unsafe(value, name);
    return name === "fromkeys" ? unsupported(value, name) : undefined;
  }
  if (Array.isArray(value) || value instanceof PyTuple) return sequenceAttribute(value, name);
  if (value instanceof Namespace) return value.members.get(name);
  if (value instanceof PyObject) return value.attribute(name);
  return value === null ? undefined : otherAttribute(value, name);
}

/** The methods of str including format(), which itself looks up attributes and items. */
export const TEXT_METHODS: Readonly<Record<string, StringMethod>> = {
  ...STRING_METHODS,
  format: (text, args) => formatBraces(text, args, { attribute: getAttribute, item: getItem }),
};

function stringAttribute(text: string, name: string): Value | undefined {
  if (Object.hasOwn(TEXT_METHODS, name)) return method(TEXT_METHODS[name]!, text, name);
  return OTHER_STRING_METHODS.has(name) ? unsupported(text, name) : undefined;
}

function sequenceAttribute(value: Value[] | PyTuple, name: string): Value | undefined {
  if (value instanceof NamedTuple && value.members.has(name)) return value.members.get(name);
  if (Array.isArray(value) && MUTATING.list.has(name)) return unsafe(value, name);
  const items = sequenceItems(value)!;
  if (name === "count") {
    return method(
      (_, args) => items.filter((item) => equals(item, args.positionalOnly(1).required(0, "value"))).length,
      value,
      name,
    );
  }
  if (name === "index") return method((_, args) => indexOf(items, args), value, name);
  if (name !== "copy" || !Array.isArray(value)) return undefined;
  const copy = (_: Value[], args: Arguments): Value => {
    args.positionalOnly(0);
    return [...items];
  };
  return method(copy, value, name);
}

function indexOf(items: readonly Value[], args: Arguments): number {
  if (args.positional.length > 1) throw new TemplateUnsupported("list.index() with a start");
  const wanted = args.positionalOnly(1).required(0, "value");
  const at = items.findIndex((item) => equals(item, wanted));
  if (at < 0) throw new TemplateFailure("the value is not in the list");
  return at;
}

function otherAttribute(value: Value, name: string): Value | undefined {
  if (value instanceof Markup) return markupAttribute(value, name);
  const isNumber = value instanceof PyFloat || intOf(value) !== undefined;
  const known =
    (isNumber && NUMBER_ATTRIBUTES.has(name)) ||
    (value instanceof PyIterator && ITERATOR_ATTRIBUTES.has(name)) ||
    (value instanceof PyFunction && value.kind === "macro" && MACRO_ATTRIBUTES.has(name)) ||
    (value instanceof PyRange && ["count", "index", "start", "step", "stop"].includes(name)) ||
    (value instanceof DictView && ["isdisjoint", "mapping"].includes(name));
  return known ? unsupported(value, name) : undefined;
}

function markupAttribute(value: Markup, name: string): Value | undefined {
  const apply: StringMethod | undefined = Object.hasOwn(TEXT_METHODS, name) ? TEXT_METHODS[name] : undefined;
  if (apply !== undefined && MARKUP_QUESTIONS.has(name)) return method(apply, value.text, name);
  if (apply !== undefined && MARKUP_METHODS.has(name)) {
    return method((text: string, args: Arguments) => asMarkup(apply(text, args)), value.text, name);
  }
  const exists =
    apply !== undefined || OTHER_STRING_METHODS.has(name) || ["escape", "striptags", "unescape"].includes(name);
  return exists ? unsupported(value, name) : undefined;
}

function asMarkup(value: Value): Value {
  const text = textOf(value);
  return text !== undefined ? new Markup(text) : Array.isArray(value) ? value.map(asMarkup) : value;
}

function itemOf(value: Value, key: Value): Value | undefined {
  if (value instanceof Undefined) throw value.failure();
  if (value instanceof Map) {
    const name = keyOf(key);
    return name === undefined ? undefined : value.get(name);
  }
  const index = intOf(key);
  if (index === undefined || typeof index === "bigint") return undefined;
  if (typeof value === "string") return characterAt(value, index);
  const items = sequenceItems(value);
  if (items !== undefined) return items.at(index);
  if (value instanceof PyRange) return value.items().at(index);
  if (!(value instanceof Markup)) return undefined;
  const char = characterAt(value.text, index);
  return char === undefined ? undefined : new Markup(char);
}

function characterAt(text: string, index: number): string | undefined {
  return /[\ud800-\udbff]/.test(text) ? codePoints(text).at(index) : text.at(index);
}

/** `value.name` */
export function getAttribute(value: Value, name: string): Value {
  if (value instanceof Map && !Object.hasOwn(DICT_METHODS, name)) {
    // Fast path: a dict member whose name is not an attribute.
    const member = value.get(name);
    if (member !== undefined && !MUTATING.dict.has(name) && !name.startsWith("__") && name !== "fromkeys")
      return member;
  }
  const attribute = attributeOf(value, name);
  if (attribute !== undefined) return attribute;
  const item = itemOf(value, name);
  return item === undefined ? new Undefined(`'${typeName(value)} object' has no attribute '${name}'`) : item;
}

/** `value[key]` */
export function getItem(value: Value, key: Value): Value {
  const item = itemOf(value, key);
  if (item !== undefined) return item;
  const name = textOf(key);
  const attribute = name === undefined ? undefined : attributeOf(value, name);
  if (attribute !== undefined) return attribute;
  return new Undefined(
    `'${typeName(value)} object' has no element ${name === undefined ? typeName(key) : `'${name}'`}`,
  );
}
