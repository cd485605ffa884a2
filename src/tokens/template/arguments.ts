/** Reading the arguments of filters, methods and functions as Python binds them. */
import { TemplateFailure, TemplateUnsupported } from "./errors.js";
import { typeName, type Value } from "./values.js";

export class Arguments {
  constructor(
    private readonly callee: string,
    private readonly positional: readonly Value[],
    private readonly keywords: ReadonlyMap<string, Value>,
  ) {}

  /** Refuses arguments that are not among `names`; a name may be given by place or by keyword. */
  expect(...names: string[]): this {
    if (this.positional.length > names.length) throw new TemplateFailure(`${this.callee}() got too many arguments`);
    for (const key of this.keywords.keys()) {
      if (!names.includes(key)) throw new TemplateFailure(`${this.callee}() got an unexpected argument '${key}'`);
    }
    return this;
  }

  /** The argument at a place or of a name, or undefined where it was left out. */
  get(index: number, name: string): Value | undefined {
    return this.positional[index] ?? (index < this.positional.length ? null : this.keywords.get(name));
  }

  text(index: number, name: string): string {
    const value = this.get(index, name);
    if (typeof value !== "string") throw this.wrong(name, "str", value);
    return value;
  }

  /** A string, or null where the argument is None or left out. */
  optionalText(index: number, name: string): string | null {
    const value = this.get(index, name);
    if (value === undefined || value === null) return null;
    if (typeof value !== "string") throw this.wrong(name, "str", value);
    return value;
  }

  int(index: number, name: string, fallback: number): number {
    const value = this.get(index, name);
    if (value === undefined) return fallback;
    if (typeof value !== "number") throw this.wrong(name, "int", value);
    return value;
  }

  flag(index: number, name: string): boolean {
    const value = this.get(index, name) ?? false;
    if (typeof value !== "boolean")
      throw new TemplateUnsupported(`${this.callee}() with ${name} of type ${typeName(value)}`);
    return value;
  }

  private wrong(name: string, wanted: string, value: Value | undefined): TemplateFailure {
    const got = value === undefined ? "nothing" : typeName(value);
    return new TemplateFailure(`${this.callee}() needs ${wanted} for ${name}, got ${got}`);
  }
}
