/**
 * Variables. Names are resolved to places when a template is compiled: a Frame describes the variables of one block,
 * a Scope holds them while it runs. Loop bodies, macros, set, filter and with blocks have frames of their own; `if` has not.
 */

import { Undefined, type Value } from "../values/values.js";
import type { Run } from "./run.js";

/** A variable's possible places: frames to go up from the last place, and the slot there. */
type Path = readonly (readonly [up: number, slot: number])[];

export class Frame {
  readonly #slots = new Map<string, number>();

  constructor(readonly parent: Frame | null = null) {}

  /** The slot of a variable of this frame, made for it on the first call. */
  slot(name: string): number {
    const known = this.#slots.get(name);
    if (known !== undefined) return known;
    this.#slots.set(name, this.#slots.size);
    return this.#slots.size - 1;
  }

  /** Where a name may be found, innermost first. Complete only once all of the template is compiled. */
  path(name: string): Path {
    const path: [number, number][] = [];
    let up = 0;
    for (let frame: Frame | null = this; frame !== null; frame = frame.parent, up += 1) {
      const slot = frame.#slots.get(name);
      if (slot === undefined) continue;
      path.push([up, slot]);
      up = 0;
    }
    return path;
  }
}

export class Scope {
  readonly values: (Value | undefined)[] = [];

  constructor(
    readonly parent: Scope | null,
    readonly run: Run,
  ) {}

  inner(): Scope {
    return new Scope(this, this.run);
  }
}

/** Compiles the reading of a variable: the innermost scope that has set it, else what the template was given. */
export function compileVariable(name: string, frame: Frame): (scope: Scope) => Value {
  let path: Path | null = null;
  return (scope) => {
    path ??= frame.path(name);
    let at: Scope | null = scope;
    for (const [up, slot] of path) {
      for (let i = 0; i < up; i += 1) at = at!.parent;
      const value = at!.values[slot];
      if (value !== undefined) return value;
    }
    const given = scope.run.variables.get(name);
    return given === undefined ? Undefined.ofName(name) : given;
  };
}
