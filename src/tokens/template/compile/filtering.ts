/** Compiles filters and tests. */

import { atRunTime, ENGINE, findFilter } from "../builtins/filters/index.js";
import { findTest } from "../builtins/tests.js";
import { TemplateSyntaxError } from "../errors.js";
import type * as ast from "../syntax/nodes.js";
import { Arguments } from "../values/arguments.js";
import { compileArguments, sizeOf } from "./calls.js";
import type { CompileContext, Expression } from "./context.js";

/** `input` is the operand of the innermost filter if the node has none: the text of a filter or set block. */
export function compileFilter(node: ast.FilterNode, input: Expression | null, context: CompileContext): Expression {
  const operand = compileOperand(node.operand, input, context);
  const evaluate = compileArguments(node.args, context);
  const filter = findFilter(node.name);
  if (typeof filter !== "function") return fails(filter, node.line, context);
  const { name } = node;
  return (scope) => {
    const value = operand(scope);
    scope.state.spend(sizeOf(value));
    return filter(value, new Arguments(name, ...evaluate(scope)), ENGINE);
  };
}

function compileOperand(node: ast.Expression | null, input: Expression | null, context: CompileContext): Expression {
  if (node === null) return input!;
  return node.kind === "filter" ? compileFilter(node, input, context) : context.compiler.expression(node, context);
}

export function compileTest(node: Extract<ast.Expression, { kind: "test" }>, context: CompileContext): Expression {
  const operand = context.compiler.expression(node.operand, context);
  const evaluate = compileArguments(node.args, context);
  const test = findTest(node.name);
  if (typeof test !== "function") return fails(test, node.line, context);
  const { name } = node;
  const noArguments = new Arguments(name, [], new Map());
  if (node.args.positional.length === 0 && node.args.keywords.length === 0 && node.args.rest === null) {
    return (scope) => test(operand(scope), noArguments);
  }
  return (scope) => {
    const value = operand(scope);
    scope.state.spend();
    return test(value, new Arguments(name, ...evaluate(scope)));
  };
}

/** As in jinja2, an unknown name fails to compile, but inside an `if` it fails only when reached. */
function fails(error: Error, line: number, context: CompileContext): Expression {
  if (error instanceof TemplateSyntaxError && context.soft) {
    return () => {
      throw atRunTime(error);
    };
  }
  if (error instanceof TemplateSyntaxError) throw error.at(line);
  throw "at" in error && typeof error.at === "function" ? error.at(line) : error;
}
