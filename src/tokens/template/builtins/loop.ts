/** The `loop` variable and lazy access to a loop's items, since an iterator's items may depend on the loop's body. */

import { TemplateFailure } from "../errors.js";
import { Arguments } from "../values/arguments.js";
import { equals } from "../values/order.js";
import { PyFunction, PyObject, PyTuple, Undefined, type Value } from "../values/values.js";

/** Reads items on demand and keeps them. */
export class LoopItems {
  private readonly known: Value[];
  private rest: Iterator<Value> | null;

  constructor(items: Iterable<Value>) {
    this.known = Array.isArray(items) ? items : [];
    this.rest = Array.isArray(items) ? null : items[Symbol.iterator]();
  }

  /** The item at an index, or undefined past the end. */
  at(index: number): Value | undefined {
    while (this.rest !== null && this.known.length <= index) this.read();
    return this.known[index];
  }

  get length(): number {
    while (this.rest !== null) this.read();
    return this.known.length;
  }

  private read(): void {
    const next = this.rest!.next();
    if (next.done === true) this.rest = null;
    else this.known.push(next.value);
  }
}

export class LoopContext extends PyObject {
  readonly typeName = "LoopContext";
  readonly isCallable = true;
  index0 = 0;
  private changed: Value | undefined;

  constructor(
    readonly items: LoopItems,
    private readonly depth0: number,
    private readonly recurse: ((source: Value) => Value) | null,
  ) {
    super();
  }

  attribute(name: string): Value | undefined {
    const { items, index0 } = this;
    switch (name) {
      case "index":
        return index0 + 1;
      case "index0":
        return index0;
      case "revindex":
        return items.length - index0;
      case "revindex0":
        return items.length - index0 - 1;
      case "first":
        return index0 === 0;
      case "last":
        return items.at(index0 + 1) === undefined;
      case "length":
        return items.length;
      case "depth":
        return this.depth0 + 1;
      case "depth0":
        return this.depth0;
      case "previtem":
        return index0 > 0 ? items.at(index0 - 1) : new Undefined("there is no previous item");
      case "nextitem": {
        const next = items.at(index0 + 1);
        return next === undefined ? new Undefined("there is no next item") : next;
      }
      case "cycle":
        return new PyFunction(name, (values) => this.cycle(values));
      case "changed":
        return new PyFunction(name, (values) => this.hasChanged(new PyTuple(values)));
      default:
        return name.startsWith("_")
          ? new Undefined(`access to attribute '${name}' of 'LoopContext' object is unsafe`)
          : undefined;
    }
  }

  private cycle(values: readonly Value[]): Value {
    if (values.length === 0) throw new TemplateFailure("no items for cycling given");
    return values[this.index0 % values.length]!;
  }

  private hasChanged(values: PyTuple): boolean {
    if (this.changed !== undefined && equals(this.changed, values)) return false;
    this.changed = values;
    return true;
  }

  override call(positional: Value[], keywords: ReadonlyMap<string, Value>): Value {
    if (this.recurse === null) {
      throw new TemplateFailure("The loop must have the 'recursive' marker to be called recursively.");
    }
    return this.recurse(new Arguments("loop", positional, keywords).expect("iterable").required(0, "iterable"));
  }
}
