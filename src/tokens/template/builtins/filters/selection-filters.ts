/** map, select, reject and their attribute forms. */

import { TemplateFailure } from "../../errors.js";
import type { Arguments } from "../../values/arguments.js";
import { iterate, PyIterator, textOf, truthy, typeName, type Value } from "../../values/values.js";
import type { Engine, Filter } from "./filter.js";
import { type Getter, getter } from "./lookup.js";

function nameFrom(value: Value, what: string): string {
  const name = textOf(value);
  if (name === undefined) throw new TemplateFailure(`no ${what} named by a ${typeName(value)}`);
  return name;
}

function mapping(args: Arguments, engine: Engine): Getter {
  const [name, ...rest] = args.positional;
  if (name === undefined && args.keywords.has("attribute")) {
    for (const key of args.keywords.keys()) {
      if (key !== "attribute" && key !== "default") throw new TemplateFailure(`Unexpected keyword argument '${key}'`);
    }
    return getter(args.keywords.get("attribute"), args.keywords.get("default"));
  }
  if (name === undefined) throw new TemplateFailure("map requires a filter argument");
  return (item) => engine.filter(nameFrom(name, "filter"), item, rest, args.keywords);
}

function* mapped(value: Value, args: Arguments, engine: Engine): Generator<Value> {
  if (!truthy(value)) return;
  const apply = mapping(args, engine);
  for (const item of iterate(value)) yield apply(item);
}

/** The predicate of a selection: the named test, or truthiness if there is none. */
function condition(args: Arguments, engine: Engine, byAttribute: boolean): (item: Value) => boolean {
  const [attribute] = byAttribute ? args.positional : [];
  if (byAttribute && attribute === undefined) throw new TemplateFailure("Missing parameter for attribute name");
  const get = getter(attribute);
  const [name, ...rest] = byAttribute ? args.positional.slice(1) : args.positional;
  if (name === undefined) return (item) => truthy(get(item));
  return (item) => engine.test(nameFrom(name, "test"), get(item), rest, args.keywords);
}

const selecting =
  (wanted: boolean, byAttribute: boolean): Filter =>
  (value, args, engine) => {
    function* chosen(): Generator<Value> {
      if (!truthy(value)) return;
      const holds = condition(args, engine, byAttribute);
      for (const item of iterate(value)) if (holds(item) === wanted) yield item;
    }
    return new PyIterator("generator", chosen());
  };

export const SELECTION_FILTERS: Readonly<Record<string, Filter>> = {
  map: (value, args, engine) => new PyIterator("generator", mapped(value, args, engine)),
  select: selecting(true, false),
  reject: selecting(false, false),
  selectattr: selecting(true, true),
  rejectattr: selecting(false, true),
};
