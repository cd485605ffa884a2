/** Compiles calls and the arguments of calls, filters and tests. */

import { TemplateFailure } from "../errors.js";
import type * as ast from "../syntax/nodes.js";
import { Arguments, NO_KEYWORDS } from "../values/arguments.js";
import { DICT_METHODS, getAttribute, TEXT_METHODS } from "../values/attributes.js";
import { lengthOf, listOf, PyFunction, PyObject, textOf, typeName, Undefined, type Value } from "../values/values.js";
import type { Expression, Place } from "./place.js";
import type { Scope } from "./scope.js";

export type ArgumentValues = [positional: Value[], keywords: ReadonlyMap<string, Value>];

/** Compiles an argument list into a function that evaluates it. */
export function compileArguments(args: ast.CallArguments, place: Place): (scope: Scope) => ArgumentValues {
  const positional = args.positional.map((node) => place.compiler.expression(node, place));
  const keywords = args.keywords.map(([name, node]) => [name, place.compiler.expression(node, place)] as const);
  const rest = args.rest === null ? null : place.compiler.expression(args.rest, place);
  const restKeywords = args.restKeywords === null ? null : place.compiler.expression(args.restKeywords, place);
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

export function compileCall(node: ast.CallNode, place: Place): Expression {
  const evaluate = compileArguments(node.args, place);
  if (node.callee.kind === "attribute") return compileMethodCall(node.callee, evaluate, place);
  const callee = place.compiler.expression(node.callee, place);
  return (scope) => {
    scope.run.spend();
    return call(callee(scope), ...evaluate(scope));
  };
}

/** `object.name(...)`: methods of texts and dicts, which are most calls, need no function object. */
function compileMethodCall(
  node: Extract<ast.Expression, { kind: "attribute" }>,
  evaluate: (scope: Scope) => ArgumentValues,
  place: Place,
): Expression {
  const object = place.compiler.expression(node.object, place);
  const { name } = node;
  const ofText = Object.hasOwn(TEXT_METHODS, name) ? TEXT_METHODS[name] : undefined;
  const ofDict = Object.hasOwn(DICT_METHODS, name) ? DICT_METHODS[name] : undefined;
  return (scope) => {
    const value = object(scope);
    scope.run.spend(sizeOf(value));
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

/** The length of what is worked on, for the bound of work; a text's length in UTF-16 units is good enough. */
export function sizeOf(value: Value): number {
  return textOf(value)?.length ?? lengthOf(value) ?? 0;
}
