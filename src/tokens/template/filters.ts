/** jinja2's filters, as far as they are known to give the same text. Any other name is refused when a template is read. */
import type { Arguments } from "./arguments.js";
import { TemplateFailure, TemplateUnsupported } from "./errors.js";
import { getAttribute, pairsOf } from "./methods.js";
import { jsonText, str } from "./text.js";
import { iterate, Markup, PyView, truthy, typeName, Undefined, undefinedError, type Value } from "./values.js";
import { replace, strip } from "./whitespace.js";

type Filter = (value: Value, args: Arguments) => Value;

const bare =
  (apply: (value: Value) => Value): Filter =>
  (value, args) => {
    args.expect();
    return apply(value);
  };

/** The text that most string filters work on: str() of the value, "" for an undefined one. */
function soft(value: Value): string {
  if (value instanceof Markup) throw new TemplateUnsupported("filtering the result of |safe");
  return str(value);
}

function length(value: Value): number {
  if (typeof value === "string") return Array.from(value).length;
  if (Array.isArray(value)) return value.length;
  if (value instanceof Map) return value.size;
  if (value instanceof Undefined) return 0;
  throw new TemplateFailure(`object of type '${typeName(value)}' has no len()`);
}

const defaultFilter: Filter = (value, args) => {
  args.expect("default_value", "boolean");
  const absent = value instanceof Undefined || (args.flag(1, "boolean") && !truthy(value));
  if (!absent) return value;
  const fallback = args.get(0, "default_value");
  return fallback === undefined ? "" : fallback;
};

const FILTERS: Record<string, Filter> = {
  trim: (value, args) => strip(soft(value), "both", args.expect("chars").optionalText(0, "chars")),
  string: bare((value) => (value instanceof Markup ? value : str(value))),
  safe: bare((value) => (value instanceof Markup ? value : new Markup(str(value)))),
  upper: bare((value) => soft(value).toUpperCase()),
  lower: bare((value) => soft(value).toLowerCase()),
  length: bare((value) => length(value)),
  count: bare((value) => length(value)),
  list: bare((value) => [...iterate(value)]),
  first: bare((value) => {
    const items = iterate(value);
    return items.length === 0 ? new Undefined("No first item, sequence was empty.") : items[0]!;
  }),
  last: bare((value) => {
    const items = iterate(value);
    return items.length === 0 ? new Undefined("No last item, sequence was empty.") : items.at(-1)!;
  }),
  reverse: (value, args) => {
    args.expect();
    const items = iterate(value).slice().reverse();
    return typeof value === "string" ? items.join("") : PyView.from(items);
  },
  items: (value, args) => {
    args.expect();
    if (value instanceof Undefined) return [];
    if (!(value instanceof Map)) throw new TemplateFailure("Can only get item pairs from a mapping.");
    return pairsOf(value);
  },
  join: (value, args) => {
    args.expect("d", "attribute");
    const attribute = args.optionalText(1, "attribute");
    if (attribute?.includes(".") === true) throw new TemplateUnsupported("join() with a dotted attribute");
    const items = attribute === null ? iterate(value) : iterate(value).map((item) => getAttribute(item, attribute));
    return items.map(soft).join(args.optionalText(0, "d") ?? "");
  },
  replace: (value, args) => {
    args.expect("old", "new", "count");
    const count = args.get(2, "count") ?? null;
    if (count !== null && typeof count !== "number") throw new TemplateFailure("replace() needs int for count");
    return replace(soft(value), args.text(0, "old"), args.text(1, "new"), count ?? -1);
  },
  default: defaultFilter,
  d: defaultFilter,
  tojson: (value, args) => {
    args.expect("ensure_ascii", "indent", "separators", "sort_keys");
    if (value instanceof Undefined) throw undefinedError(value);
    const indent = args.get(1, "indent") ?? null;
    if (indent !== null && typeof indent !== "number")
      throw new TemplateUnsupported("tojson with an indent that is no number");
    const pair = args.get(2, "separators") ?? null;
    if (
      pair !== null &&
      !(Array.isArray(pair) && pair.length === 2 && pair.every((part) => typeof part === "string"))
    ) {
      throw new TemplateFailure("tojson() needs two strings for separators");
    }
    return jsonText(value, {
      ensureAscii: args.flag(0, "ensure_ascii"),
      indent,
      separators: pair as [string, string] | null,
      sortKeys: args.flag(3, "sort_keys"),
    });
  },
};

export function findFilter(name: string): Filter {
  const filter = Object.hasOwn(FILTERS, name) ? FILTERS[name] : undefined;
  if (filter === undefined) throw new TemplateUnsupported(`the filter ${name}`);
  return filter;
}
