/** Compiles macros, and the blocks whose body acts as a macro. */

import { TemplateFailure } from "../errors.js";
import type * as ast from "../syntax/nodes.js";
import { str } from "../values/text.js";
import { type DictKey, PyFunction, PyTuple, Undefined, type Value } from "../values/values.js";
import { call, compileArguments } from "./calls.js";
import { type Block, type CompileContext, innerContext, type Output } from "./context.js";
import type { Scope } from "./scope.js";

export function compileMacro(node: ast.MacroNode, context: CompileContext): Block {
  const slot = context.frame.store(node.name!, context.soft);
  const create = compileMacroFunction(node, context);
  return (scope) => {
    scope.values[slot] = create(scope);
    return "end";
  };
}

/** `{% call f() %}body{% endcall %}`: f receives the body as `caller`. */
export function compileCallBlock(node: Extract<ast.Statement, { kind: "call-block" }>, context: CompileContext): Block {
  const create = compileMacroFunction(node.macro, context);
  const callee = context.compiler.expression(node.call.callee, context);
  const evaluate = compileArguments(node.call.args, context);
  return (scope, output) => {
    const called = callee(scope);
    const [positional, keywords] = evaluate(scope);
    if (keywords.has("caller")) throw new TemplateFailure("keyword argument 'caller' is given twice");
    output.text += str(call(called, positional, new Map(keywords).set("caller", create(scope))));
    return "end";
  };
}

/** transformers' `{% generation %}`, which marks the assistant's tokens. Its body has its own scope, like a call block's. */
export function compileGeneration(node: ast.MacroNode, context: CompileContext): Block {
  const create = compileMacroFunction(node, context);
  return (scope, output) => {
    output.text += str(create(scope).call([], new Map()));
    return "end";
  };
}

/** A macro closes over the scope that defines it. */
function compileMacroFunction(node: ast.MacroNode, context: CompileContext): (scope: Scope) => PyFunction {
  const inner: CompileContext = { ...innerContext(context), inLoop: false };
  const parameters = node.parameters.map(({ name, fallback }) => ({
    name,
    slot: inner.frame.slot(name),
    fallback: fallback === null ? null : context.compiler.expression(fallback, inner),
  }));
  const special = (name: string): number | null => {
    const isParameter = node.parameters.some((parameter) => parameter.name === name);
    return !isParameter && mentions(node.body, name) ? inner.frame.slot(name) : null;
  };
  const [caller, kwargs, varargs] = [special("caller"), special("kwargs"), special("varargs")];
  const body = context.compiler.block(node.body, inner);
  const title = node.name ?? "caller";
  const bind = (own: Scope, positional: readonly Value[], keywords: ReadonlyMap<string, Value>): void => {
    const rest = new Map(keywords);
    const given = parameters.map(({ name }, index) => {
      if (index < positional.length) return positional[index];
      const value = rest.get(name);
      rest.delete(name);
      return value;
    });
    if (caller !== null) {
      const value = rest.get("caller") ?? null;
      rest.delete("caller");
      own.values[caller] = value === null ? new Undefined("No caller defined") : value;
    }
    if (kwargs !== null) own.values[kwargs] = new Map<DictKey, Value>(rest);
    else
      for (const key of rest.keys()) throw new TemplateFailure(`macro '${title}' takes no keyword argument '${key}'`);
    if (varargs !== null) own.values[varargs] = new PyTuple(positional.slice(parameters.length));
    else if (positional.length > parameters.length) {
      throw new TemplateFailure(`macro '${title}' takes not more than ${parameters.length} argument(s)`);
    }
    // Defaults see every parameter, given or not, before any outer name.
    for (const [index, { name, slot }] of parameters.entries()) {
      const value = given[index];
      own.values[slot] = value === undefined ? new Undefined(`parameter '${name}' was not provided`) : value;
    }
    for (const [index, { slot, fallback }] of parameters.entries()) {
      if (given[index] === undefined && fallback !== null) own.values[slot] = fallback(own);
    }
  };
  const invoke = (scope: Scope, positional: readonly Value[], keywords: ReadonlyMap<string, Value>): string => {
    const own = scope.inner();
    bind(own, positional, keywords);
    const output: Output = { text: "" };
    body(own, output);
    return output.text;
  };
  return (scope) =>
    new PyFunction(
      title,
      (positional, keywords) => scope.state.nested(() => invoke(scope, positional, keywords)),
      "macro",
    );
}

/** Whether a subtree reads a name. */
function mentions(node: unknown, name: string): boolean {
  if (typeof node !== "object" || node === null) return false;
  if (Array.isArray(node)) return node.some((item) => mentions(item, name));
  if ("kind" in node && node.kind === "name") return "name" in node && node.name === name;
  return Object.entries(node).some(([key, value]) => key !== "target" && key !== "targets" && mentions(value, name));
}
