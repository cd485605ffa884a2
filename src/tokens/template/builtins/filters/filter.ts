/** The type of filters, and what they need from the engine. */
import type { Arguments } from "../../values/arguments.js";
import type { Value } from "../../values/values.js";

/** Access to other filters and tests, for map, select and the like. */
export interface Engine {
  /** Applies the filter that a value of the template names. */
  filter(name: string, value: Value, positional: Value[], keywords: ReadonlyMap<string, Value>): Value;
  test(name: string, value: Value, positional: Value[], keywords: ReadonlyMap<string, Value>): boolean;
}

export type Filter = (value: Value, args: Arguments, engine: Engine) => Value;

/** A filter without arguments. */
export const bare =
  (apply: (value: Value) => Value): Filter =>
  (value, args) => {
    args.positionalOnly(0);
    return apply(value);
  };
