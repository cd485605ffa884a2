/**
 * Variables. Names are resolved at compile time: a Frame assigns slots to the variables of a block, a Scope stores their values
 * while it runs. Loop bodies, macros, and set, filter and with blocks each have a frame; `if` has none.
 */

import { Undefined, type Value } from "../values/values.js";
import type { RenderState } from "./render-state.js";

/** Where to look for a variable: slots in enclosing frames, each relative to the previous one. */
interface Path {
  places: readonly (readonly [up: number, slot: number])[];
  /** Whether the render variables come last. */
  given: boolean;
}

export class Frame {
  private readonly slots = new Map<string, number>();
  /** The first use of each name in this frame, inner frames excluded. */
  private readonly firstUse = new Map<string, "load" | "store">();

  constructor(readonly parent: Frame | null = null) {}

  /** The slot of a parameter, which always has a value while the frame runs. */
  slot(name: string): number {
    const known = this.slots.get(name);
    if (known !== undefined) return known;
    this.slots.set(name, this.slots.size);
    return this.slots.size - 1;
  }

  /** The slot of an assigned variable; inside an `if` the assignment may not happen. */
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
   * Where a name can be found, innermost first. Call it only once the whole template is compiled.
   *
   * As in jinja2, a name that a frame assigns before reading it, and that no enclosing frame uses, is local to that frame: a
   * loop or macro that precedes the assignment finds it undefined, even if it is a render variable.
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
    readonly state: RenderState,
  ) {}

  inner(): Scope {
    return new Scope(this, this.state);
  }
}

/** Compiles the lookup of a variable: the innermost scope that has set it, else the render variables. */
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
    const given = path.given ? scope.state.variables.get(name) : undefined;
    return given === undefined ? Undefined.ofName(name) : given;
  };
}
