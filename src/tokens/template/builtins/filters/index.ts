/** jinja2's filters. A name that is not here is refused when a template is compiled. */

import { TemplateFailure, TemplateSyntaxError, TemplateUnsupported } from "../../errors.js";
import { Arguments } from "../../values/arguments.js";
import { truthy, Undefined } from "../../values/values.js";
import { findTest } from "../tests.js";
import type { Engine, Filter } from "./filter.js";
import { NUMBER_FILTERS } from "./number-filters.js";
import { SELECTION_FILTERS } from "./selection-filters.js";
import { SEQUENCE_FILTERS } from "./sequence-filters.js";
import { TEXT_FILTERS } from "./text-filters.js";

const defaultFilter: Filter = (value, args) => {
  args.expect("default_value", "boolean");
  const absent = value instanceof Undefined || (args.flag(1, "boolean") && !truthy(value));
  if (!absent) return value;
  const fallback = args.get(0, "default_value");
  return fallback === undefined ? "" : fallback;
};

const FILTERS: Readonly<Record<string, Filter>> = {
  ...TEXT_FILTERS,
  ...NUMBER_FILTERS,
  ...SEQUENCE_FILTERS,
  ...SELECTION_FILTERS,
  default: defaultFilter,
  d: defaultFilter,
};

/** Filters of jinja2 that are not supported; any other unknown name is the template's own mistake. */
const OTHER_FILTERS: ReadonlySet<string> = new Set(
  "attr filesizeformat pprint random striptags urlize wordwrap xmlattr".split(" "),
);

/** The filter of a name, or why there is none: a fault of the template or of this engine. */
export function findFilter(name: string): Filter | Error {
  if (OTHER_FILTERS.has(name)) return new TemplateUnsupported(`the filter ${name}`);
  if (Object.hasOwn(FILTERS, name)) return FILTERS[name]!;
  return new TemplateSyntaxError(`no filter named '${name}'`);
}

/** Filters and tests whose names come from a template's values; an unknown one fails when it is called. */
export const ENGINE: Engine = {
  filter(name, value, positional, keywords) {
    const filter = findFilter(name);
    if (typeof filter === "function") return filter(value, new Arguments(name, positional, keywords), ENGINE);
    throw atRunTime(filter);
  },
  test(name, value, positional, keywords) {
    const test = findTest(name);
    if (typeof test === "function") return test(value, new Arguments(name, positional, keywords));
    throw atRunTime(test);
  },
};

/** An unknown name that only a run meets is a failure of that run. */
export function atRunTime(error: Error): Error {
  return error instanceof TemplateSyntaxError ? new TemplateFailure(error.message) : error;
}
