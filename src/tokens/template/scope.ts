/** Variables. Every run of a loop body gets a scope of its own, as in Python; `if` and `set` blocks do not. */
import { Undefined, type Value } from "./values.js";

export class Scope {
  private readonly variables = new Map<string, Value>();

  constructor(private readonly parent: Scope | null = null) {}

  set(name: string, value: Value): void {
    this.variables.set(name, value);
  }

  get(name: string): Value {
    for (let scope: Scope | null = this; scope !== null; scope = scope.parent) {
      const value = scope.variables.get(name);
      if (value !== undefined) return value;
    }
    return new Undefined(name);
  }
}
