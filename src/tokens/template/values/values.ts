/**
 * The Python values that chat templates work with. null represents None and never absence; `undefined` represents absence.
 * A JavaScript number or bigint is an int, a Map is a dict, an array is a list; other Python types are classes.
 */
import { TemplateFailure } from "../errors.js";

export class PyFloat {
  constructor(readonly value: number) {}
}

export class PyTuple {
  constructor(readonly items: readonly Value[]) {}
}

/** A named tuple, as groupby returns. */
export class NamedTuple extends PyTuple {
  constructor(readonly members: ReadonlyMap<string, Value>) {
    super([...members.values()]);
  }
}

/** dict.items(), dict.keys() or dict.values(): iterable and sized, but not indexable. */
export class DictView {
  constructor(
    readonly kind: "items" | "keys" | "values",
    readonly dict: ReadonlyMap<DictKey, Value>,
  ) {}

  items(): Value[] {
    if (this.kind === "keys") return [...this.dict.keys()];
    return this.kind === "values" ? [...this.dict.values()] : Array.from(this.dict, (pair) => new PyTuple(pair));
  }
}

export class PyRange {
  readonly length: number;

  constructor(
    readonly start: number,
    readonly stop: number,
    readonly step: number,
  ) {
    this.length = Math.max(0, Math.ceil((stop - start) / step));
  }

  items(): number[] {
    return Array.from({ length: this.length }, (_, index) => this.start + index * this.step);
  }
}

/** A generator or other iterator: yields each item once. */
export class PyIterator {
  constructor(
    readonly kind: string,
    readonly source: Iterator<Value>,
  ) {}

  [Symbol.iterator](): Iterator<Value> {
    return { next: () => this.source.next() };
  }
}

/** jinja2's Undefined: prints and iterates as empty; any other operation raises. */
export class Undefined {
  constructor(readonly message: string) {}

  static ofName(name: string): Undefined {
    return new Undefined(`'${name}' is undefined`);
  }

  failure(): TemplateFailure {
    return new TemplateFailure(this.message);
  }
}

/** The result of `|safe` and `|escape`: a string that escapes what is concatenated to it. */
export class Markup {
  constructor(readonly text: string) {}
}

export class Namespace {
  constructor(readonly members: Map<string, Value>) {}
}

/** A function, method or macro. */
export class PyFunction {
  constructor(
    readonly name: string,
    readonly call: (positional: Value[], keywords: ReadonlyMap<string, Value>) => Value,
    readonly kind: "function" | "macro" = "function",
  ) {}
}

/** Any other object with attributes, such as `loop` or a cycler. */
export abstract class PyObject {
  abstract readonly typeName: string;
  abstract readonly isCallable: boolean;
  /** The attribute, or undefined if there is none. */
  abstract attribute(name: string): Value | undefined;
  call(_positional: Value[], _keywords: ReadonlyMap<string, Value>): Value {
    throw new TemplateFailure(`'${this.typeName}' object is not callable`);
  }
}

export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | PyFloat
  | Value[]
  | Dict
  | PyTuple
  | DictView
  | PyRange
  | PyIterator
  | Undefined
  | Markup
  | Namespace
  | PyFunction
  | PyObject;

/** A dict key: str, int or None. Others are unsupported, since True and 1.0 are the same key as 1. */
export type DictKey = string | number | bigint | null;
export type Dict = Map<DictKey, Value>;

/** An int in canonical form: a number if exact, else a bigint. */
export function int(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

export function typeName(value: Value): string {
  if (value === null) return "NoneType";
  switch (typeof value) {
    case "boolean":
      return "bool";
    case "number":
    case "bigint":
      return "int";
    case "string":
      return "str";
    default:
  }
  if (Array.isArray(value)) return "list";
  if (value instanceof Map) return "dict";
  if (value instanceof PyFloat) return "float";
  if (value instanceof PyTuple) return "tuple";
  if (value instanceof DictView) return `dict_${value.kind}`;
  if (value instanceof PyRange) return "range";
  if (value instanceof PyIterator) return value.kind;
  if (value instanceof PyFunction) return value.kind === "macro" ? "Macro" : "function";
  return value instanceof PyObject ? value.typeName : value.constructor.name;
}

export function truthy(value: Value): boolean {
  switch (typeof value) {
    case "boolean":
      return value;
    case "string":
      return value !== "";
    case "number":
      return value !== 0;
    case "bigint":
      return value !== 0n;
    default:
  }
  if (value === null || value instanceof Undefined) return false;
  if (Array.isArray(value)) return value.length > 0;
  if (value instanceof Map) return value.size > 0;
  if (value instanceof PyTuple) return value.items.length > 0;
  if (value instanceof PyFloat) return value.value !== 0;
  if (value instanceof Markup) return value.text !== "";
  if (value instanceof DictView) return value.dict.size > 0;
  return value instanceof PyRange ? value.length > 0 : true;
}

/** The characters of a str or Markup, or undefined for other values. */
export function textOf(value: Value | undefined): string | undefined {
  if (typeof value === "string") return value;
  return value instanceof Markup ? value.text : undefined;
}

/** The items of a list or tuple, or undefined for other values. */
export function sequenceItems(value: Value): readonly Value[] | undefined {
  if (Array.isArray(value)) return value;
  return value instanceof PyTuple ? value.items : undefined;
}

/** The characters of a string as Python counts them, by code point. */
export function codePoints(text: string): string[] {
  return Array.from(text);
}

/** The number of code points of a text. */
export function textLength(text: string): number {
  return /[\ud800-\udbff]/.test(text) ? codePoints(text).length : text.length;
}

/** Python's iter(value): throws for what is not iterable, and reads iterators lazily. */
export function iterate(value: Value): Iterable<Value> {
  const items = sequenceItems(value);
  if (items !== undefined) return items;
  if (value instanceof Undefined) return [];
  if (typeof value === "string") return codePoints(value);
  if (value instanceof Map) return value.keys();
  if (value instanceof DictView || value instanceof PyRange) return value.items();
  if (value instanceof Markup) return codePoints(value.text).map((char) => new Markup(char));
  if (value instanceof PyIterator) return value;
  throw new TemplateFailure(`'${typeName(value)}' object is not iterable`);
}

/** Python's list(value). */
export function listOf(value: Value): readonly Value[] {
  const items = iterate(value);
  return Array.isArray(items) ? items : Array.from(items);
}

/** Python's len(value), or undefined if the type has no length. */
export function lengthOf(value: Value): number | undefined {
  if (typeof value === "string") return textLength(value);
  const items = sequenceItems(value);
  if (items !== undefined) return items.length;
  if (value instanceof Map) return value.size;
  if (value instanceof Undefined) return 0;
  if (value instanceof Markup) return textLength(value.text);
  if (value instanceof DictView) return value.dict.size;
  return value instanceof PyRange ? value.length : undefined;
}
