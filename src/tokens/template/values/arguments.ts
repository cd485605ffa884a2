/** Binds the arguments of filters, methods and functions as Python does. */
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

  /** Rejects arguments other than `names`, each given by position or by keyword. */
  expect(...names: string[]): this {
    this.count(names.length);
    for (const key of this.keywords.keys()) {
      const at = names.indexOf(key);
      if (at < 0) throw new TemplateFailure(`${this.callee}() got an unexpected argument '${key}'`);
      if (at < this.positional.length) throw new TemplateFailure(`${this.callee}() got two values for '${key}'`);
    }
    return this;
  }

  /** Rejects keywords and more than `most` positional arguments. */
  positionalOnly(most: number): this {
    this.count(most);
    if (this.keywords.size > 0) throw new TemplateFailure(`${this.callee}() takes no keyword arguments`);
    return this;
  }

  private count(most: number): void {
    if (this.positional.length > most) throw new TemplateFailure(`${this.callee}() got too many arguments`);
  }

  /** The argument with this position or name, or undefined if omitted. */
  get(index: number, name: string): Value | undefined {
    return index < this.positional.length ? this.positional[index] : this.keywords.get(name);
  }

  /** The same for a required argument. */
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

  /** A string, or null if the argument is None or omitted. */
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

  /** Whether the argument is truthy; false if omitted. */
  flag(index: number, name: string): boolean {
    const value = this.get(index, name);
    return value !== undefined && truthy(value);
  }

  private wrong(name: string, wanted: string, value: Value | undefined): TemplateFailure {
    const got = value === undefined ? "nothing" : typeName(value);
    return new TemplateFailure(`${this.callee}() needs ${wanted} for ${name}, got ${got}`);
  }
}
