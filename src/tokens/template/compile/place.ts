/** What compiling a part of a template needs to know, and what it gives. */
import type * as ast from "../syntax/nodes.js";
import type { Value } from "../values/values.js";
import { Frame, type Scope } from "./scope.js";

/** A compiled expression. */
export type Expression = (scope: Scope) => Value;

export interface Output {
  text: string;
}

/** Why a block ended: at its end, or by `break` or `continue`. */
export type Ending = "end" | "break" | "continue";

/** A compiled block of statements, which writes to the output. */
export type Block = (scope: Scope, output: Output) => Ending;

/** Where in a template something is compiled. */
export interface Place {
  frame: Frame;
  /** Whether `break` and `continue` have a loop to act on. */
  inLoop: boolean;
  /** Inside an `if` unknown filters and tests fail only when they are reached. */
  soft: boolean;
  compiler: Compiler;
}

/** The compiler, for the parts that it is made of: they hold expressions and blocks of every kind. */
export interface Compiler {
  expression(node: ast.Expression, place: Place): Expression;
  block(nodes: readonly ast.Statement[], place: Place): Block;
}

/** The place of a body with variables of its own. */
export function innerPlace(place: Place, inLoop = place.inLoop): Place {
  return { ...place, frame: new Frame(place.frame), inLoop, soft: false };
}
