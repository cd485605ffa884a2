/** The functions available to every template: those of jinja2's sandbox and of transformers. */

import { checkedMember } from "../compile/targets.js";
import { TemplateFailure, TemplateUnsupported } from "../errors.js";
import { Arguments } from "../values/arguments.js";
import { dictKey, keepsOtherType } from "../values/order.js";
import { str } from "../values/text.js";
import {
  type Dict,
  iterate,
  listOf,
  Namespace,
  PyFunction,
  PyObject,
  PyRange,
  typeName,
  Undefined,
  type Value,
} from "../values/values.js";

/** The limit of jinja2's sandbox. */
const MAX_RANGE = 100_000;

function range(positional: Value[], keywords: ReadonlyMap<string, Value>): PyRange {
  const args = new Arguments("range", positional, keywords).positionalOnly(3);
  if (positional.length === 0) throw new TemplateFailure("range expected at least 1 argument, got 0");
  const bounds = positional.map((_, index) => args.int(index, "bound"));
  const [start, stop, step = 1] = bounds.length === 1 ? [0, bounds[0]!] : (bounds as [number, number, number?]);
  if (step === 0) throw new TemplateFailure("range() arg 3 must not be zero");
  const result = new PyRange(start, stop, step);
  if (result.length > MAX_RANGE) throw new TemplateFailure(`a range of more than ${MAX_RANGE} numbers`);
  return result;
}

/** dict(mapping or pairs, name=value ...) */
function dict(positional: Value[], keywords: ReadonlyMap<string, Value>): Dict {
  if (positional.length > 1) throw new TemplateFailure(`dict expected at most 1 argument, got ${positional.length}`);
  const members: Dict = new Map();
  const [source] = positional;
  if (source instanceof Undefined) throw source.failure();
  if (source instanceof Map) for (const [name, value] of source) members.set(name, value);
  else if (source !== undefined) for (const pair of iterate(source)) addPair(members, pair);
  for (const [name, value] of keywords) members.set(name, value);
  return members;
}

function addPair(members: Dict, pair: Value): void {
  const [key, value, ...more] = listOf(pair);
  if (key === undefined || value === undefined || more.length > 0) throw new TemplateFailure("dict() needs pairs");
  const name = dictKey(key);
  if (name === undefined || keepsOtherType(key)) throw new TemplateUnsupported(`a dict key of type ${typeName(key)}`);
  members.set(name, value);
}

/** The global `dict`; only calling it is supported. */
class DictType extends PyObject {
  readonly typeName = "TemplateDict";
  readonly isCallable = true;

  attribute(name: string): Value | undefined {
    if (name === "fromkeys") throw new TemplateUnsupported("dict.fromkeys");
    return undefined;
  }

  override call(positional: Value[], keywords: ReadonlyMap<string, Value>): Value {
    return dict(positional, keywords);
  }
}

/** Returns its separator on every call but the first. */
class Joiner extends PyObject {
  readonly typeName = "Joiner";
  readonly isCallable = true;
  private used = false;

  constructor(private readonly separator: Value) {
    super();
  }

  attribute(name: string): Value | undefined {
    return name === "sep" ? this.separator : name === "used" ? this.used : undefined;
  }

  override call(positional: Value[], keywords: ReadonlyMap<string, Value>): Value {
    new Arguments("joiner", positional, keywords).positionalOnly(0);
    const result = this.used ? this.separator : "";
    this.used = true;
    return result;
  }
}

/** Returns its items in turn. */
class Cycler extends PyObject {
  readonly typeName = "Cycler";
  readonly isCallable = false;
  private at = 0;

  constructor(private readonly items: readonly Value[]) {
    super();
  }

  attribute(name: string): Value | undefined {
    const current = this.items[this.at]!;
    if (name === "current") return current;
    if (name === "pos") return this.at;
    if (name === "next") {
      return new PyFunction(name, () => {
        const item = this.items[this.at]!;
        this.at = (this.at + 1) % this.items.length;
        return item;
      });
    }
    if (name !== "reset") return undefined;
    return new PyFunction(name, () => {
      this.at = 0;
      return null;
    });
  }
}

const FUNCTIONS: Readonly<Record<string, PyFunction["call"]>> = {
  range,
  raise_exception(positional, keywords) {
    const message = new Arguments("raise_exception", positional, keywords).expect("message").required(0, "message");
    throw new TemplateFailure(str(message));
  },
  strftime_now() {
    throw new TemplateUnsupported("strftime_now: the prompt would depend on the day");
  },
  namespace(positional, keywords) {
    const members = new Map<string, Value>();
    for (const [name, value] of dict(positional, keywords)) {
      if (typeof name !== "string") throw new TemplateUnsupported(`namespace() with a name of type ${typeName(name)}`);
      members.set(checkedMember(name), value);
    }
    return new Namespace(members);
  },
  joiner(positional, keywords) {
    const separator = new Arguments("joiner", positional, keywords).expect("sep").get(0, "sep");
    return new Joiner(separator === undefined ? ", " : separator);
  },
  cycler(positional, keywords) {
    if (positional.length === 0 || keywords.size > 0) throw new TemplateFailure("at least one item has to be provided");
    return new Cycler(positional);
  },
};

export const GLOBALS: ReadonlyMap<string, Value> = new Map<string, Value>([
  ...Object.entries(FUNCTIONS).map(([name, call]): [string, Value] => [name, new PyFunction(name, call)]),
  ["dict", new DictType()],
]);
