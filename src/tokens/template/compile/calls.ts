/** Compiles calls and the arguments of calls, filters and tests. */

import { TemplateFailure } from "../errors.js";
import type * as ast from "../syntax/nodes.js";
import { Arguments, NO_KEYWORDS } from "../values/arguments.js";
import { DICT_METHODS, getAttribute, TEXT_METHODS } from "../values/attributes.js";
import { lengthOf, listOf, PyFunction, PyObject, textOf, typeName, Undefined, type Value } from "../values/values.js";
import type { CompileContext, Expression } from "./context.js";
import type { Scope } from "./scope.js";

export type ArgumentValues = [positional: Value[], keywords: ReadonlyMap<string, Value>];

/** Compiles an argument list into a function that evaluates it. */
export function compileArguments(args: ast.CallArguments, context: CompileContext): (scope: Scope) => ArgumentValues {
  const positional = args.positional.map((node) => context.compiler.expression(node, context));
  const keywords = args.keywords.map(([name, node]) => [name, context.compiler.expression(node, context)] as const);
  const rest = args.rest === null ? null : context.compiler.expression(args.rest, context);
  const restKeywords = args.restKeywords === null ? null : context.compiler.expression(args.restKeywords, context);
  if (keywords.length === 0 && rest === null && restKeywords === null) {
    return (scope) => [positional.map((argument) => argument(scope)), NO_KEYWORDS];
  }
  return (scope) => {
    const values = positional.map((argument) => argument(scope));
    if (rest !== null) values.push(...listOf(rest(scope)));
    const named = new Map<string, Value>();
    for (const [name, argument] of keywords) addKeyword(named, name, argument(scope));
    if (restKeywords !== null) addMapping(named, restKeywords(scope));
    return [values, named];
  };
}

function addKeyword(named: Map<string, Value>, name: string, value: Value): void {
  if (named.has(name)) throw new TemplateFailure(`keyword argument '${name}' is given twice`);
  named.set(name, value);
}

function addMapping(named: Map<string, Value>, mapping: Value): void {
  if (!(mapping instanceof Map))
    throw new TemplateFailure(`argument after ** must be a mapping, not ${typeName(mapping)}`);
  for (const [name, value] of mapping) {
    if (typeof name !== "string") throw new TemplateFailure("keywords must be strings");
    addKeyword(named, name, value);
  }
}

export function compileCall(node: ast.CallNode, context: CompileContext): Expression {
  const evaluate = compileArguments(node.args, context);
  if (node.callee.kind === "attribute") return compileMethodCall(node.callee, evaluate, context);
  const callee = context.compiler.expression(node.callee, context);
  return (scope) => {
    scope.state.spend();
    return call(callee(scope), ...evaluate(scope));
  };
}

/** `object.name(...)`. Methods of str and dict, the most frequent calls, skip creating a function object. */
function compileMethodCall(
  node: Extract<ast.Expression, { kind: "attribute" }>,
  evaluate: (scope: Scope) => ArgumentValues,
  context: CompileContext,
): Expression {
  const object = context.compiler.expression(node.object, context);
  const { name } = node;
  const ofText = Object.hasOwn(TEXT_METHODS, name) ? TEXT_METHODS[name] : undefined;
  const ofDict = Object.hasOwn(DICT_METHODS, name) ? DICT_METHODS[name] : undefined;
  return (scope) => {
    const value = object(scope);
    scope.state.spend(sizeOf(value));
    if (ofText !== undefined && typeof value === "string") {
      return ofText(value, new Arguments(name, ...evaluate(scope)));
    }
    if (ofDict !== undefined && value instanceof Map) return ofDict(value, new Arguments(name, ...evaluate(scope)));
    return call(getAttribute(value, name), ...evaluate(scope));
  };
}

export function call(callee: Value, positional: Value[], keywords: ReadonlyMap<string, Value>): Value {
  if (callee instanceof PyFunction) return callee.call(positional, keywords);
  if (callee instanceof Undefined) throw callee.failure();
  if (callee instanceof PyObject) return callee.call(positional, keywords);
  throw new TemplateFailure(`'${typeName(callee)}' object is not callable`);
}

/** The size of an operand, for accounting; UTF-16 units are precise enough for text. */
export function sizeOf(value: Value): number {
  return textOf(value)?.length ?? lengthOf(value) ?? 0;
}
