/**
 * Python values as a chat template meets them. null is None and never means absence: what may be absent is `undefined`
 * in this code. A JavaScript number or bigint is an int, a Map a dict, an array a list; the rest are classes.
 */
import { TemplateFailure } from "../errors.js";

export class PyFloat {
  constructor(readonly value: number) {}
}

export class PyTuple {
  constructor(readonly items: readonly Value[]) {}
}

/** A tuple whose items also have names: what groupby gives. */
export class NamedTuple extends PyTuple {
  constructor(readonly members: ReadonlyMap<string, Value>) {
    super([...members.values()]);
  }
}

/** dict.items(), dict.keys() or dict.values(): can be looped over and counted, but not indexed. */
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

/** A generator or another iterator: every item comes once. */
export class PyIterator {
  constructor(
    readonly kind: string,
    readonly source: Iterator<Value>,
  ) {}

  [Symbol.iterator](): Iterator<Value> {
    return { next: () => this.source.next() };
  }
}

/** jinja2's Undefined: empty as text and in loops, an error as soon as something is asked of it. */
export class Undefined {
  constructor(readonly message: string) {}

  static ofName(name: string): Undefined {
    return new Undefined(`'${name}' is undefined`);
  }

  failure(): TemplateFailure {
    return new TemplateFailure(this.message);
  }
}

/** What `|safe` and `|escape` return: a string that escapes whatever is joined to it. */
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

/** An object of which a template sees some attributes: `loop`, a cycler. */
export abstract class PyObject {
  abstract readonly typeName: string;
  abstract readonly isCallable: boolean;
  /** The attribute, or undefined where there is none. */
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

/** A key of a dict: a str, an int or None. Others are refused, as True and 1.0 are the same key as 1. */
export type DictKey = string | number | bigint | null;
export type Dict = Map<DictKey, Value>;

/** An int as a number where that is exact. */
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

/** A string's characters: Python counts code points. */
export function codePoints(text: string): string[] {
  return Array.from(text);
}

/** The number of code points of a text. */
export function textLength(text: string): number {
  return /[\ud800-\udbff]/.test(text) ? codePoints(text).length : text.length;
}

/** What iter(value) runs over. Throws where Python's iter() would; the items of an iterator come lazily. */
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

/** All items at once, as list(value) gives them. */
export function listOf(value: Value): readonly Value[] {
  const items = iterate(value);
  return Array.isArray(items) ? items : Array.from(items);
}

/** len(value), or undefined where the type has none. */
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
