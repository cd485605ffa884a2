/** Reading the arguments of filters, methods and functions as Python binds them. */
import { TemplateFailure, TemplateUnsupported } from "../errors.js";
import { intOf } from "./numbers.js";
import { textOf, truthy, typeName, type Value } from "./values.js";

export const NO_KEYWORDS: ReadonlyMap<string, Value> = new Map();

export class Arguments {
  constructor(
    private readonly callee: string,
    readonly positional: readonly Value[],
    readonly keywords: ReadonlyMap<string, Value>,
  ) {}

  /** Refuses arguments that are not among `names`; a name may be given by place or by keyword. */
  expect(...names: string[]): this {
    this.count(names.length);
    for (const key of this.keywords.keys()) {
      const at = names.indexOf(key);
      if (at < 0) throw new TemplateFailure(`${this.callee}() got an unexpected argument '${key}'`);
      if (at < this.positional.length) throw new TemplateFailure(`${this.callee}() got two values for '${key}'`);
    }
    return this;
  }

  /** Refuses keywords, and more arguments than so many. */
  places(most: number): this {
    this.count(most);
    if (this.keywords.size > 0) throw new TemplateFailure(`${this.callee}() takes no keyword arguments`);
    return this;
  }

  private count(most: number): void {
    if (this.positional.length > most) throw new TemplateFailure(`${this.callee}() got too many arguments`);
  }

  /** The argument at a place or of a name, or undefined where it was left out. */
  get(index: number, name: string): Value | undefined {
    return index < this.positional.length ? this.positional[index] : this.keywords.get(name);
  }

  /** An argument that must be given. */
  required(index: number, name: string): Value {
    const value = this.get(index, name);
    if (value === undefined) throw this.wrong(name, "a value", value);
    return value;
  }

  text(index: number, name: string): string {
    const value = this.get(index, name);
    const text = textOf(value);
    if (text === undefined) throw this.wrong(name, "str", value);
    return text;
  }

  /** A string, or null where the argument is None or left out. */
  optionalText(index: number, name: string): string | null {
    const value = this.get(index, name);
    return value === undefined || value === null ? null : this.text(index, name);
  }

  int(index: number, name: string, fallback?: number): number {
    const value = this.get(index, name);
    if (value === undefined && fallback !== undefined) return fallback;
    const number = intOf(value);
    if (number === undefined) throw this.wrong(name, "int", value);
    if (typeof number === "bigint") throw new TemplateUnsupported(`${this.callee}() with ${name} above 2^53`);
    return number;
  }

  /** Whether an argument counts as true. */
  flag(index: number, name: string): boolean {
    const value = this.get(index, name);
    return value !== undefined && truthy(value);
  }

  private wrong(name: string, wanted: string, value: Value | undefined): TemplateFailure {
    const got = value === undefined ? "nothing" : typeName(value);
    return new TemplateFailure(`${this.callee}() needs ${wanted} for ${name}, got ${got}`);
  }
}
