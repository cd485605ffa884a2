/** Filters on lists and dicts. */

import { TemplateFailure } from "../../errors.js";
import type { Arguments } from "../../values/arguments.js";
import { checkItems, checkLength } from "../../values/limits.js";
import { arithmetic } from "../../values/operators.js";
import { checkHashable, equals, lessThan, sorted } from "../../values/order.js";
import { str } from "../../values/text.js";
import {
  codePoints,
  DictView,
  iterate,
  lengthOf,
  listOf,
  Markup,
  NamedTuple,
  PyIterator,
  type PyTuple,
  textOf,
  typeName,
  Undefined,
  type Value,
} from "../../values/values.js";
import { bare, type Filter } from "./filter.js";
import { folded, getter, sortedBy } from "./lookup.js";

function generator(items: Generator<Value>): PyIterator {
  return new PyIterator("generator", items);
}

const length = bare((value) => {
  const size = lengthOf(value);
  if (size === undefined) throw new TemplateFailure(`object of type '${typeName(value)}' has no len()`);
  return size;
});

const first = bare((value) => {
  for (const item of iterate(value)) return item;
  return new Undefined("No first item, sequence was empty.");
});

const last = bare((value) => {
  if (value instanceof PyIterator) throw new TemplateFailure(`'${value.kind}' object is not reversible`);
  const items = listOf(value);
  return items.length === 0 ? new Undefined("No last item, sequence was empty.") : items.at(-1)!;
});

function reverse(value: Value): Value {
  const text = textOf(value);
  if (text !== undefined) {
    const reversed = codePoints(text).reverse().join("");
    return value instanceof Markup ? new Markup(reversed) : reversed;
  }
  const items = [...iterate(value)].reverse();
  // jinja2 returns a list only if reversed() does not support the type.
  return value instanceof PyIterator ? items : new PyIterator("reversed", items.values());
}

function* itemPairs(value: Value): Generator<Value> {
  if (value instanceof Undefined) return;
  if (!(value instanceof Map)) throw new TemplateFailure("Can only get item pairs from a mapping.");
  yield* new DictView("items", value).items();
}

function join(value: Value, args: Arguments): string {
  args.expect("d", "attribute");
  const separator = args.get(0, "d");
  const text = separator === undefined ? "" : str(separator);
  const attribute = args.get(1, "attribute");
  const get = attribute === undefined || attribute === null ? undefined : getter(attribute);
  const items = listOf(value).map((item) => str(get === undefined ? item : get(item)));
  checkLength(items.reduce((sum, item) => sum + item.length + text.length, 0));
  return items.join(text);
}

function dictsort(value: Value, args: Arguments): Value {
  args.expect("case_sensitive", "by", "reverse");
  const by = args.get(1, "by") === undefined ? "key" : args.text(1, "by");
  if (by !== "key" && by !== "value") throw new TemplateFailure('You can only sort by either "key" or "value"');
  if (value instanceof Undefined) throw value.failure();
  if (!(value instanceof Map)) throw new TemplateFailure(`'${typeName(value)}' object has no attribute 'items'`);
  const caseSensitive = args.flag(0, "case_sensitive");
  const key = (pair: Value): Value => {
    const part = (pair as PyTuple).items[by === "key" ? 0 : 1]!;
    return caseSensitive ? part : folded(part);
  };
  return sorted(new DictView("items", value).items(), key, args.flag(2, "reverse"));
}

function* unique(value: Value, args: Arguments): Generator<Value> {
  const get = getter(args.get(1, "attribute"));
  const seen: Value[] = [];
  const texts = new Set<string>();
  for (const item of iterate(value)) {
    const key = args.flag(0, "case_sensitive") ? get(item) : folded(get(item));
    checkHashable(key);
    const text = textOf(key);
    if (text === undefined ? seen.some((other) => equals(other, key)) : texts.has(text)) continue;
    if (text === undefined) seen.push(key);
    else texts.add(text);
    yield item;
  }
}

const extreme =
  (isBetter: (candidate: Value, best: Value) => boolean): Filter =>
  (value, args) => {
    args.expect("case_sensitive", "attribute");
    const get = getter(args.get(1, "attribute"));
    const caseSensitive = args.flag(0, "case_sensitive");
    let best: { item: Value; key: Value } | null = null;
    for (const item of iterate(value)) {
      const key = caseSensitive ? get(item) : folded(get(item));
      if (best === null || isBetter(key, best.key)) best = { item, key };
    }
    return best === null ? new Undefined("No aggregated item, sequence was empty.") : best.item;
  };

function groupby(value: Value, args: Arguments): Value {
  args.expect("attribute", "default", "case_sensitive");
  const get = getter(args.required(0, "attribute"), args.get(1, "default"));
  const caseSensitive = args.flag(2, "case_sensitive");
  const key = (item: Value): Value => (caseSensitive ? get(item) : folded(get(item)));
  const groups: Value[][] = [];
  for (const item of sorted(listOf(value), key, false)) {
    const group = groups.at(-1);
    if (group !== undefined && equals(key(group[0]!), key(item))) group.push(item);
    else groups.push([item]);
  }
  return groups.map(
    (list) =>
      new NamedTuple(
        new Map<string, Value>([
          ["grouper", get(list[0]!)],
          ["list", list],
        ]),
      ),
  );
}

function* batch(value: Value, args: Arguments): Generator<Value> {
  const size = args.int(0, "linecount");
  const fill = args.get(1, "fill_with");
  let row: Value[] = [];
  for (const item of iterate(value)) {
    if (row.length === size) {
      yield row;
      row = [];
    }
    row.push(item);
  }
  if (row.length === 0) return;
  checkItems(size);
  if (fill !== undefined && fill !== null) while (row.length < size) row.push(fill);
  yield row;
}

function* slices(value: Value, args: Arguments): Generator<Value> {
  const items = listOf(value);
  const count = args.int(0, "slices");
  const fill = args.get(1, "fill_with");
  if (count === 0) throw new TemplateFailure("integer division or modulo by zero");
  checkItems(count);
  const size = Math.floor(items.length / count);
  const longer = items.length % count;
  let at = 0;
  for (let index = 0; index < count; index += 1) {
    const row = items.slice(at, at + size + (index < longer ? 1 : 0));
    at += row.length;
    yield fill !== undefined && fill !== null && index >= longer ? [...row, fill] : row;
  }
}

function sum(value: Value, args: Arguments): Value {
  args.expect("attribute", "start");
  const get = getter(args.get(0, "attribute"));
  const start = args.get(1, "start");
  let total: Value = start === undefined ? 0 : start;
  if (textOf(total) !== undefined) throw new TemplateFailure("sum() can't sum strings");
  for (const item of iterate(value)) total = arithmetic("+", total, get(item));
  return total;
}

/** A filter that is a generator in jinja2, evaluated as its result is consumed. */
const lazy =
  (names: string[], items: (value: Value, args: Arguments) => Generator<Value>): Filter =>
  (value, args) =>
    generator(items(value, args.expect(...names)));

export const SEQUENCE_FILTERS: Readonly<Record<string, Filter>> = {
  length,
  count: length,
  list: bare((value) => [...iterate(value)]),
  first,
  last,
  reverse: bare(reverse),
  items: lazy([], itemPairs),
  join,
  sort: (value, args) => {
    args.expect("reverse", "case_sensitive", "attribute");
    return sortedBy(listOf(value), args.get(2, "attribute"), args.flag(1, "case_sensitive"), args.flag(0, "reverse"));
  },
  dictsort,
  unique: lazy(["case_sensitive", "attribute"], unique),
  min: extreme((candidate, best) => lessThan(candidate, best)),
  max: extreme((candidate, best) => lessThan(best, candidate, ">")),
  groupby,
  batch: lazy(["linecount", "fill_with"], batch),
  slice: lazy(["slices", "fill_with"], slices),
  sum,
};
