/** jinja2's filters by name. */

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

/** Unsupported filters of jinja2. Any other unknown name is an error of the template. */
const OTHER_FILTERS: ReadonlySet<string> = new Set(
  "attr filesizeformat pprint random striptags urlize wordwrap xmlattr".split(" "),
);

/** The filter with this name, or the error that explains why there is none. */
export function findFilter(name: string): Filter | Error {
  if (OTHER_FILTERS.has(name)) return new TemplateUnsupported(`the filter ${name}`);
  if (Object.hasOwn(FILTERS, name)) return FILTERS[name]!;
  return new TemplateSyntaxError(`no filter named '${name}'`);
}

/** Looks up filters and tests whose names are values of the template; an unknown name fails at run time. */
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

/** The error for an unknown name that is only discovered while rendering. */
export function atRunTime(error: Error): Error {
  return error instanceof TemplateSyntaxError ? new TemplateFailure(error.message) : error;
}
