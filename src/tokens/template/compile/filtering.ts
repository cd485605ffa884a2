/** Compiles filters and tests. */

import { atRunTime, ENGINE, findFilter } from "../builtins/filters/index.js";
import { findTest } from "../builtins/tests.js";
import { TemplateSyntaxError } from "../errors.js";
import type * as ast from "../syntax/nodes.js";
import { Arguments } from "../values/arguments.js";
import { compileArguments, sizeOf } from "./calls.js";
import type { Expression, Place } from "./place.js";

/** `input` is what the innermost filter works on where the syntax tree names nothing: the text of a block. */
export function compileFilter(node: ast.FilterNode, input: Expression | null, place: Place): Expression {
  const operand = compileOperand(node.operand, input, place);
  const evaluate = compileArguments(node.args, place);
  const filter = findFilter(node.name);
  if (typeof filter !== "function") return fails(filter, node.line, place);
  const { name } = node;
  return (scope) => {
    const value = operand(scope);
    scope.run.spend(sizeOf(value));
    return filter(value, new Arguments(name, ...evaluate(scope)), ENGINE);
  };
}

function compileOperand(node: ast.Expression | null, input: Expression | null, place: Place): Expression {
  if (node === null) return input!;
  return node.kind === "filter" ? compileFilter(node, input, place) : place.compiler.expression(node, place);
}

export function compileTest(node: Extract<ast.Expression, { kind: "test" }>, place: Place): Expression {
  const operand = place.compiler.expression(node.operand, place);
  const evaluate = compileArguments(node.args, place);
  const test = findTest(node.name);
  if (typeof test !== "function") return fails(test, node.line, place);
  const { name } = node;
  const noArguments = new Arguments(name, [], new Map());
  if (node.args.positional.length === 0 && node.args.keywords.length === 0 && node.args.rest === null) {
    return (scope) => test(operand(scope), noArguments);
  }
  return (scope) => {
    const value = operand(scope);
    scope.run.spend();
    return test(value, new Arguments(name, ...evaluate(scope)));
  };
}

/** A name that jinja2 does not know either stops the compilation, but inside an `if` only a run that gets there. */
function fails(error: Error, line: number, place: Place): Expression {
  if (error instanceof TemplateSyntaxError && place.soft) {
    return () => {
      throw atRunTime(error);
    };
  }
  if (error instanceof TemplateSyntaxError) throw error.at(line);
  throw "at" in error && typeof error.at === "function" ? error.at(line) : error;
}
