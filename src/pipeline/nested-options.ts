/** Options by their dotted names: `model`, `draft.config`. */

type Options = Readonly<Record<string, unknown>>;

/** Undefined if the option, or a map on the way to it, is not there. */
export function optionAt(options: Options, name: string): unknown {
  let value: unknown = options;
  for (const key of name.split(".")) {
    if (!isMap(value)) return undefined;
    value = value[key];
  }
  return value;
}

/** A copy with one option changed; unchanged if it is not there. A new value of undefined takes it away. */
export function changeOption(
  options: Options,
  name: string,
  change: (value: unknown) => unknown,
): Record<string, unknown> {
  const [key = "", ...below] = name.split(".");
  const value = options[key];
  if (value === undefined || (below.length > 0 && !isMap(value))) return { ...options };
  const made = below.length === 0 ? change(value) : changeOption(value as Options, below.join("."), change);
  const { [key]: _, ...others } = options;
  return made === undefined ? others : { ...options, [key]: made };
}

function isMap(value: unknown): value is Options {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
