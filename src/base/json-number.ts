/** A JSON number that a JavaScript number cannot hold as it was written. */

let written = false;

/**
 * The literal of a JSON number that JSON.stringify would write differently: `0.0`, `1e2`, `1.50`, `-0`, whole numbers
 * beyond 2^53. Every other number of a JSON text is a plain number; see `parseJson` and `stringifyJson`.
 */
export class JsonNumber {
  /** @param literal a JSON number within the range of a double, as it was written */
  constructor(readonly literal: string) {}

  /** Whether Python and orjson read an int. */
  get isInteger(): boolean {
    return !/[.eE]/.test(this.literal);
  }

  /** The nearest double. */
  valueOf(): number {
    return Number(this.literal);
  }

  toString(): string {
    return this.literal;
  }

  /** Rounds: for messages. Data is written with `stringifyJson`, which does not. */
  toJSON(): number {
    written = true;
    return this.valueOf();
  }

  /** Runs JSON.stringify and tells whether it met a JsonNumber: values without one are written at native speed. */
  static watch(stringify: () => string): { text: string; changed: boolean } {
    written = false;
    const text = stringify();
    return { text, changed: written };
  }
}

/** A number or JsonNumber as the nearest double; undefined for anything else. */
export function numberOf(value: unknown): number | undefined {
  if (typeof value === "number") return value;
  return value instanceof JsonNumber ? value.valueOf() : undefined;
}
