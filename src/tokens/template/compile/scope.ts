/**
 * Variables. Names are resolved to places when a template is compiled: a Frame describes the variables of one block,
 * a Scope holds them while it runs. Loop bodies, macros, set, filter and with blocks have frames of their own; `if` has not.
 */

import { Undefined, type Value } from "../values/values.js";
import type { Run } from "./run.js";

/** A variable's possible places: frames to go up from the last place, and the slot there. */
interface Path {
  places: readonly (readonly [up: number, slot: number])[];
  /** Whether the variables that the template was given come last. */
  given: boolean;
}

export class Frame {
  private readonly slots = new Map<string, number>();
  /** How a name is first used in this frame itself. */
  private readonly firstUse = new Map<string, "load" | "store">();

  constructor(readonly parent: Frame | null = null) {}

  /** The slot of a variable that always has a value while the frame runs. */
  slot(name: string): number {
    const known = this.slots.get(name);
    if (known !== undefined) return known;
    this.slots.set(name, this.slots.size);
    return this.slots.size - 1;
  }

  /** The slot of a variable that is assigned to, inside an `if` perhaps never. */
  store(name: string, inCondition: boolean): number {
    this.note(name, inCondition ? "load" : "store");
    return this.slot(name);
  }

  load(name: string): void {
    this.note(name, "load");
  }

  private note(name: string, use: "load" | "store"): void {
    if (!this.firstUse.has(name)) this.firstUse.set(name, use);
  }

  /**
   * Where a name may be found, innermost first. Complete only once all of the template is compiled.
   *
   * As in jinja2, a name that a frame assigns before it reads it, and that no frame around it uses, is that frame's own: a
   * loop or macro above the assignment finds it undefined, whatever the template was given.
   */
  path(name: string): Path {
    const places: [number, number][] = [];
    let up = 0;
    let given = true;
    for (let frame: Frame | null = this; frame !== null; frame = frame.parent, up += 1) {
      const slot = frame.slots.get(name);
      given = frame.firstUse.get(name) !== "store" && (given || frame.firstUse.has(name));
      if (slot === undefined) continue;
      places.push([up, slot]);
      up = 0;
    }
    return { places, given };
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
  frame.load(name);
  let path: Path | null = null;
  return (scope) => {
    path ??= frame.path(name);
    let at: Scope | null = scope;
    for (const [up, slot] of path.places) {
      for (let i = 0; i < up; i += 1) at = at!.parent;
      const value = at!.values[slot];
      if (value !== undefined) return value;
    }
    const given = path.given ? scope.run.variables.get(name) : undefined;
    return given === undefined ? Undefined.ofName(name) : given;
  };
}
