/** What a filter is, and the filters that other filters apply to every item. */
import type { Arguments } from "../../values/arguments.js";
import type { Value } from "../../values/values.js";

/** What a filter may ask of the engine. */
export interface Engine {
  /** Applies a filter or test by its name, which a value of the template gives. */
  filter(name: string, value: Value, positional: Value[], keywords: ReadonlyMap<string, Value>): Value;
  test(name: string, value: Value, positional: Value[], keywords: ReadonlyMap<string, Value>): boolean;
}

export type Filter = (value: Value, args: Arguments, engine: Engine) => Value;

/** A filter without arguments. */
export const bare =
  (apply: (value: Value) => Value): Filter =>
  (value, args) => {
    args.places(0);
    return apply(value);
  };
