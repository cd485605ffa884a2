/** Resolves the `attribute` argument of filters: `"a.b.0"` means item["a"]["b"][0]. */

import { TemplateUnsupported } from "../../errors.js";
import { getItem } from "../../values/attributes.js";
import { intOf } from "../../values/numbers.js";
import { sorted } from "../../values/order.js";
import { Markup, textOf, typeName, Undefined, type Value } from "../../values/values.js";

export type Getter = (item: Value) => Value;

/** Returns a getter for one attribute; a default other than None replaces undefined values along the path. */
export function getter(attribute: Value | undefined, fallback: Value = null): Getter {
  const path = pathOf(attribute);
  return (item) => {
    let value = item;
    for (const part of path) {
      value = getItem(value, part);
      if (fallback !== null && value instanceof Undefined) value = fallback;
    }
    return value;
  };
}

function pathOf(attribute: Value | undefined): Value[] {
  if (attribute === undefined || attribute === null) return [];
  const text = textOf(attribute);
  if (text !== undefined) return text.split(".").map((part) => (/^\d+$/.test(part) ? Number(part) : part));
  if (intOf(attribute) !== undefined) return [attribute];
  throw new TemplateUnsupported(`an attribute of type ${typeName(attribute)}`);
}

/** The key of a case-insensitive comparison: strings in lower case, other values unchanged. */
export function folded(value: Value): Value {
  if (typeof value === "string") return value.toLowerCase();
  return value instanceof Markup ? new Markup(value.text.toLowerCase()) : value;
}

/** Sorts items by one or more attributes ("a,b"). */
export function sortedBy(
  items: readonly Value[],
  attribute: Value | undefined,
  caseSensitive: boolean,
  reverse: boolean,
): Value[] {
  const text = textOf(attribute);
  const getters = text === undefined ? [getter(attribute)] : text.split(",").map((part) => getter(part));
  const key = (item: Value): Value => getters.map((get) => (caseSensitive ? get(item) : folded(get(item))));
  return sorted(items, key, reverse);
}
