/** Compiles expressions into functions of the scope. */

import { TemplateUnsupported } from "../errors.js";
import type * as ast from "../syntax/nodes.js";
import { getAttribute, getItem } from "../values/attributes.js";
import { checkLength } from "../values/limits.js";
import { integerLiteral, signed } from "../values/numbers.js";
import { arithmetic, comparison, slice } from "../values/operators.js";
import { dictKey, keepsOtherType } from "../values/order.js";
import { str } from "../values/text.js";
import { type Dict, PyFloat, PyTuple, truthy, typeName, Undefined } from "../values/values.js";
import { compileCall, sizeOf } from "./calls.js";
import type { CompileContext, Expression } from "./context.js";
import { compileFilter, compileTest } from "./filtering.js";
import { compileVariable } from "./scope.js";

export function compileExpression(node: ast.Expression, context: CompileContext): Expression {
  const compile = (inner: ast.Expression): Expression => compileExpression(inner, context);
  switch (node.kind) {
    case "constant": {
      const { value } = node;
      return () => value;
    }
    case "integer": {
      const value = integerLiteral(node.digits);
      return () => value;
    }
    case "float": {
      const value = new PyFloat(Number(node.digits));
      return () => value;
    }
    case "name":
      return compileName(node.name, context);
    case "list": {
      const items = node.items.map(compile);
      return (scope) => items.map((item) => item(scope));
    }
    case "tuple": {
      const items = node.items.map(compile);
      return (scope) => new PyTuple(items.map((item) => item(scope)));
    }
    case "dict":
      return compileDict(node.members.map(([key, value]) => [compile(key), compile(value)]));
    case "attribute": {
      const object = compile(node.object);
      const { name } = node;
      return (scope) => getAttribute(object(scope), name);
    }
    case "item":
      return compileItem(compile(node.object), node.key, compile);
    case "call":
      return compileCall(node, context);
    case "filter":
      return compileFilter(node, null, context);
    case "test":
      return compileTest(node, context);
    default:
      return compileOperation(node, compile, context);
  }
}

type Operation = Extract<
  ast.Expression,
  { kind: "not" | "sign" | "arithmetic" | "concat" | "compare" | "and" | "or" | "conditional" }
>;

function compileOperation(
  node: Operation,
  compile: (node: ast.Expression) => Expression,
  context: CompileContext,
): Expression {
  switch (node.kind) {
    case "not": {
      const operand = compile(node.operand);
      return (scope) => !truthy(operand(scope));
    }
    case "sign": {
      const operand = compile(node.operand);
      const { operator } = node;
      return (scope) => {
        const value = operand(scope);
        if (value instanceof Undefined) throw value.failure();
        return signed(operator, value);
      };
    }
    case "arithmetic": {
      const [left, right] = [compile(node.left), compile(node.right)];
      const { operator } = node;
      return (scope) => arithmetic(operator, left(scope), right(scope));
    }
    case "concat":
      return compileConcat(node.items.map(compile));
    case "compare":
      return compileComparison(
        compile(node.first),
        node.rest.map(([operator, value]) => [operator, compile(value)]),
      );
    case "and": {
      const [left, right] = [compile(node.left), compile(node.right)];
      return (scope) => {
        const value = left(scope);
        return truthy(value) ? right(scope) : value;
      };
    }
    case "or": {
      const [left, right] = [compile(node.left), compile(node.right)];
      return (scope) => {
        const value = left(scope);
        return truthy(value) ? value : right(scope);
      };
    }
    default:
      return compileConditional(node, { ...context, soft: true });
  }
}

/** Names that jinja2 defines and this engine does not support. */
const REFUSED_NAMES: ReadonlySet<string> = new Set(["self", "lipsum"]);

function compileName(name: string, context: CompileContext): Expression {
  const read = compileVariable(name, context.frame);
  if (!REFUSED_NAMES.has(name)) return read;
  return (scope) => {
    const value = read(scope);
    if (value instanceof Undefined) throw new TemplateUnsupported(`the name ${name}`);
    return value;
  };
}

function compileDict(members: readonly (readonly [Expression, Expression])[]): Expression {
  return (scope) => {
    const dict: Dict = new Map();
    for (const [key, value] of members) {
      const given = key(scope);
      const name = dictKey(given);
      if (name === undefined || keepsOtherType(given))
        throw new TemplateUnsupported(`a dict key of type ${typeName(given)}`);
      dict.set(name, value(scope));
    }
    return dict;
  };
}

function compileItem(
  object: Expression,
  key: ast.Expression | ast.SliceNode,
  compile: (node: ast.Expression) => Expression,
): Expression {
  if (key.kind !== "slice") {
    const compiled = compile(key);
    return (scope) => getItem(object(scope), compiled(scope));
  }
  const [start, stop, step] = key.bounds.map((bound) => (bound === null ? () => null : compile(bound)));
  return (scope) => {
    const value = object(scope);
    scope.state.spend(sizeOf(value));
    return slice(value, [start!(scope), stop!(scope), step!(scope)]);
  };
}

function compileConcat(items: readonly Expression[]): Expression {
  return (scope) => {
    let text = "";
    for (const item of items) text += str(item(scope));
    checkLength(text.length);
    return text;
  };
}

/** `a < b < c`: evaluates each operand at most once and stops at the first false comparison. */
function compileComparison(first: Expression, rest: readonly (readonly [ast.Comparison, Expression])[]): Expression {
  const steps = rest.map(([operator, value]) => [comparison(operator), value] as const);
  if (steps.length === 1) {
    const [holds, value] = steps[0]!;
    return (scope) => holds(first(scope), value(scope));
  }
  return (scope) => {
    let left = first(scope);
    for (const [holds, value] of steps) {
      const right = value(scope);
      if (!holds(left, right)) return false;
      left = right;
    }
    return true;
  };
}

function compileConditional(
  node: Extract<ast.Expression, { kind: "conditional" }>,
  context: CompileContext,
): Expression {
  const test = compileExpression(node.test, context);
  const value = compileExpression(node.value, context);
  if (node.otherwise === null) {
    const missing = "the inline if-expression evaluated to false and no else section was defined";
    return (scope) => (truthy(test(scope)) ? value(scope) : new Undefined(missing));
  }
  const otherwise = compileExpression(node.otherwise, context);
  return (scope) => (truthy(test(scope)) ? value(scope) : otherwise(scope));
}
