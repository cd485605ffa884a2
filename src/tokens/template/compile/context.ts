/** The context in which parts of a template are compiled, and the results. */
import type * as ast from "../syntax/nodes.js";
import type { Value } from "../values/values.js";
import { Frame, type Scope } from "./scope.js";

/** A compiled expression. */
export type Expression = (scope: Scope) => Value;

export interface Output {
  text: string;
}

/** How a block ended. */
export type Ending = "end" | "break" | "continue";

/** A compiled block of statements, which writes to the output. */
export type Block = (scope: Scope, output: Output) => Ending;

/** The context of the code that is being compiled. */
export interface CompileContext {
  frame: Frame;
  /** Whether `break` and `continue` are allowed. */
  inLoop: boolean;
  /** Inside an `if`, where unknown filters and tests fail only when reached. */
  soft: boolean;
  compiler: Compiler;
}

/** Compiles nested expressions and blocks; passed along so that the compiler's modules need not import each other. */
export interface Compiler {
  expression(node: ast.Expression, context: CompileContext): Expression;
  block(nodes: readonly ast.Statement[], context: CompileContext): Block;
}

/** The context of a body with its own frame. */
export function innerContext(context: CompileContext, inLoop = context.inLoop): CompileContext {
  return { ...context, frame: new Frame(context.frame), inLoop, soft: false };
}
