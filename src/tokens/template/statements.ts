/** Compiles statements into functions that write text. */
import { TemplateFailure, TemplateUnsupported } from "./errors.js";
import { compileExpression, type Expression } from "./expressions.js";
import type * as ast from "./nodes.js";
import { Scope } from "./scope.js";
import { str } from "./text.js";
import { iterate, Loop, Namespace, PyFunction, truthy, typeName, Undefined, type Value } from "./values.js";

export interface Output {
  text: string;
}

/** Why a block ended: at its end, or by `break` or `continue`. */
type Ending = "end" | "break" | "continue";
export type Block = (scope: Scope, output: Output) => Ending;

export function compileBlock(nodes: readonly ast.Node[], depth = 0): Block {
  const statements = nodes.filter((node) => node.type !== "Comment").map((node) => compileStatement(node, depth));
  return (scope, output) => {
    for (const statement of statements) {
      const ending = statement(scope, output);
      if (ending !== "end") return ending;
    }
    return "end";
  };
}

function compileStatement(node: ast.Node, depth: number): Block {
  switch (node.type) {
    case "If":
      return compileIf(node as ast.If, depth);
    case "For":
      return compileFor(node as ast.For, depth);
    case "Set":
      return compileSet(node as ast.SetNode, depth);
    case "Macro":
      return compileMacro(node as ast.Macro);
    case "Break":
    case "Continue": {
      if (depth === 0) throw new TemplateUnsupported(`${node.type.toLowerCase()} outside a loop`);
      const ending: Ending = node.type === "Break" ? "break" : "continue";
      return () => ending;
    }
    case "CallStatement":
    case "FilterStatement":
      throw new TemplateUnsupported(`the statement ${node.type}`);
    default: {
      // Text between the tags is a string literal, `{{ ... }}` any other expression.
      const value = compileExpression(node);
      return (scope, output) => {
        output.text += str(value(scope));
        return "end";
      };
    }
  }
}

function compileIf(node: ast.If, depth: number): Block {
  const test = compileExpression(node.test);
  const body = compileBlock(node.body, depth);
  const alternate = compileBlock(node.alternate, depth);
  return (scope, output) => (truthy(test(scope)) ? body(scope, output) : alternate(scope, output));
}

function compileFor(node: ast.For, depth: number): Block {
  const select = node.iterable.type === "SelectExpression" ? (node.iterable as ast.Select) : null;
  const source = compileExpression(select === null ? node.iterable : select.lhs);
  const filter = select === null ? null : compileExpression(select.test);
  const assign = compileTarget(node.loopvar);
  const body = compileBlock(node.body, depth + 1);
  const otherwise = compileBlock(node.defaultBlock, depth);
  return (scope, output) => {
    let items = iterate(source(scope));
    if (filter !== null) {
      items = items.filter((item) => {
        const inner = new Scope(scope);
        assign(inner, item);
        return truthy(filter(inner));
      });
    }
    if (items.length === 0) return otherwise(scope, output);
    for (const [index, item] of items.entries()) {
      const inner = new Scope(scope);
      inner.set("loop", new Loop(items, index));
      assign(inner, item);
      if (body(inner, output) === "break") break;
    }
    return "end";
  };
}

/** Assigns a value to a name, to several names, or to a namespace's member. */
function compileTarget(node: ast.Node): (scope: Scope, value: Value) => void {
  if (node.type === "Identifier") {
    const { value: name } = node as ast.Identifier;
    return (scope, value) => scope.set(name, value);
  }
  if (node.type === "TupleLiteral") {
    const targets = (node as ast.Literal<ast.Node[]>).value.map(compileTarget);
    return (scope, value) => {
      const items = iterate(value);
      if (items.length !== targets.length) {
        throw new TemplateFailure(`cannot unpack ${items.length} values into ${targets.length} names`);
      }
      for (const [index, target] of targets.entries()) target(scope, items[index]!);
    };
  }
  throw new TemplateUnsupported(`assigning to ${node.type}`);
}

function compileSet(node: ast.SetNode, depth: number): Block {
  let value: Expression;
  if (node.value !== null) value = compileExpression(node.value);
  else {
    const body = compileBlock(node.body, depth);
    value = (scope) => {
      const captured: Output = { text: "" };
      if (body(new Scope(scope), captured) !== "end") throw new TemplateUnsupported("break or continue in a set block");
      return captured.text;
    };
  }
  if (node.assignee.type === "MemberExpression") {
    const member = node.assignee as ast.Member;
    const object = compileExpression(member.object);
    if (member.computed || member.property.type !== "Identifier") {
      throw new TemplateUnsupported("assigning to anything but namespace.name");
    }
    const { value: name } = member.property as ast.Identifier;
    return (scope) => {
      const target = object(scope);
      if (!(target instanceof Namespace)) {
        throw new TemplateFailure(`cannot assign attribute on non-namespace object '${typeName(target)}'`);
      }
      target.members.set(name, value(scope));
      return "end";
    };
  }
  const assign = compileTarget(node.assignee);
  return (scope) => {
    assign(scope, value(scope));
    return "end";
  };
}

/** A macro sees the scope it is written in, not the one it is called from. */
function compileMacro(node: ast.Macro): Block {
  const parameters = node.args.map((argument) => {
    if (argument.type === "Identifier") return { name: (argument as ast.Identifier).value, fallback: null };
    const { key, value } = argument as ast.KeywordArgument;
    return { name: key.value, fallback: compileExpression(value) };
  });
  const body = compileBlock(node.body);
  const { value: name } = node.name;
  return (scope) => {
    const macro = new PyFunction(name, (positional, keywords) => {
      if (positional.length > parameters.length)
        throw new TemplateFailure(`macro '${name}' takes not more than ${parameters.length} argument(s)`);
      const inner = new Scope(scope);
      const rest = new Map(keywords);
      for (const [index, { name: parameter, fallback }] of parameters.entries()) {
        let value = index < positional.length ? positional[index] : rest.get(parameter);
        if (index >= positional.length) rest.delete(parameter);
        if (value === undefined) value = fallback === null ? new Undefined(parameter) : fallback(inner);
        inner.set(parameter, value);
      }
      for (const key of rest.keys()) throw new TemplateFailure(`macro '${name}' takes no keyword argument '${key}'`);
      const output: Output = { text: "" };
      body(inner, output);
      return output.text;
    });
    scope.set(name, macro);
    return "end";
  };
}
