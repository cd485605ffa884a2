/** The values behind `${vars.name}`; one variable may use others. */
import { JsonNumber, ownKey, writtenKey } from "../base/index.js";
import { type Place, type Refuse, type Resolver, substitute } from "./references.js";
import { suggestion } from "./suggest.js";

/** Resolves variables when they are first asked for, so that their order in the file does not matter. */
export class Variables {
  private readonly raw: Readonly<Record<string, unknown>>;
  private readonly refuse: Refuse;
  private readonly known = new Map<string, unknown>();
  private readonly open: string[] = [];

  constructor(raw: Readonly<Record<string, unknown>>, refuse: Refuse) {
    this.raw = raw;
    this.refuse = refuse;
  }

  value(name: string, rest: readonly string[], place: Place): unknown {
    if (!Object.hasOwn(this.raw, name)) {
      throw this.refuse(place, `there is no variable ${name}`, suggestion(name, Object.keys(this.raw), "variables"));
    }
    let value = this.whole(name, place);
    for (const key of rest) {
      if (!hasMembers(value) || !Object.hasOwn(value, ownKey(value, key))) {
        const known = hasMembers(value) ? Object.keys(value).map(writtenKey) : [];
        throw this.refuse(place, `the variable ${name} has no ${key}`, suggestion(key, known, "keys"));
      }
      value = value[ownKey(value, key)];
    }
    return value;
  }

  all(): Record<string, unknown> {
    return Object.fromEntries(
      Object.keys(this.raw).map((name) => [name, this.whole(name, { path: ["variables", name], text: "" })]),
    );
  }

  private whole(name: string, place: Place): unknown {
    if (this.known.has(name)) return this.known.get(name);
    if (this.open.includes(name)) {
      throw this.refuse(place, `variables refer to each other: ${[...this.open, name].join(" -> ")}`);
    }
    this.open.push(name);
    const resolver: Resolver = (reference, inner) => {
      if (reference.kind === "vars") return this.value(reference.name, reference.rest, inner);
      throw this.refuse(inner, `a variable can only refer to other variables, not to ${reference.kind}`);
    };
    const value = substitute(this.raw[name], ["variables", name], resolver, this.refuse);
    this.open.pop();
    this.known.set(name, value);
    return value;
  }
}

function hasMembers(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !(value instanceof JsonNumber);
}
