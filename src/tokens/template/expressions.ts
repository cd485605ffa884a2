/** Compiles expressions of the syntax tree into functions of the scope. */
import { Arguments } from "./arguments.js";
import { TemplateFailure, TemplateUnsupported } from "./errors.js";
import { findFilter } from "./filters.js";
import { getAttribute, getItem } from "./methods.js";
import type * as ast from "./nodes.js";
import { COMPARISONS, OPERATORS, slice } from "./operators.js";
import type { Scope } from "./scope.js";
import { findTest } from "./tests.js";
import {
  numeric,
  PyFloat,
  PyFunction,
  PyTuple,
  truthy,
  typeName,
  Undefined,
  undefinedError,
  type Value,
} from "./values.js";

export type Expression = (scope: Scope) => Value;

const CONSTANTS: Record<string, Value> = { true: true, True: true, false: false, False: false, none: null, None: null };

/** Globals of jinja2, and names inside macros, that are not offered here. */
const REFUSED_NAMES = new Set(["lipsum", "dict", "cycler", "joiner", "varargs", "kwargs", "caller", "self"]);

/** Throws TemplateUnsupported for anything that is not known to mean the same in Python. */
export function compileExpression(node: ast.Node): Expression {
  switch (node.type) {
    case "StringLiteral":
    case "IntegerLiteral": {
      const { value } = node as ast.Literal<string | number>;
      return () => value;
    }
    case "FloatLiteral": {
      const value = new PyFloat((node as ast.Literal<number>).value);
      return () => value;
    }
    case "ArrayLiteral": {
      const items = (node as ast.Literal<ast.Node[]>).value.map(compileExpression);
      return (scope) => items.map((item) => item(scope));
    }
    case "TupleLiteral": {
      const items = (node as ast.Literal<ast.Node[]>).value.map(compileExpression);
      return (scope) => PyTuple.from(items, (item) => item(scope));
    }
    case "ObjectLiteral":
      return compileDict(node as ast.Literal<Map<ast.Node, ast.Node>>);
    case "Identifier":
      return compileName((node as ast.Identifier).value);
    case "MemberExpression":
      return compileMember(node as ast.Member);
    case "CallExpression":
      return compileCall(node as ast.Call);
    case "FilterExpression":
      return compileFilter(node as ast.Filter);
    case "TestExpression": {
      const { operand, negate, test } = node as ast.Test;
      const value = compileExpression(operand);
      const holds = findTest(test.value);
      return (scope) => holds(value(scope)) !== negate;
    }
    case "UnaryExpression":
      return compileUnary(node as ast.Unary);
    case "BinaryExpression":
      return compileBinary(node as ast.Binary);
    case "Ternary": {
      const { condition, trueExpr, falseExpr } = node as ast.Ternary;
      const [test, yes, no] = [condition, trueExpr, falseExpr].map(compileExpression) as [
        Expression,
        Expression,
        Expression,
      ];
      return (scope) => (truthy(test(scope)) ? yes(scope) : no(scope));
    }
    case "SelectExpression": {
      // `a if b` without else.
      const { lhs, test } = node as ast.Select;
      const value = compileExpression(lhs);
      const holds = compileExpression(test);
      return (scope) => (truthy(holds(scope)) ? value(scope) : new Undefined("the inline if-expression without else"));
    }
    default:
      throw new TemplateUnsupported(`the expression ${node.type}`);
  }
}

function compileName(name: string): Expression {
  if (Object.hasOwn(CONSTANTS, name)) {
    const value = CONSTANTS[name]!;
    return () => value;
  }
  if (!REFUSED_NAMES.has(name)) return (scope) => scope.get(name);
  return (scope) => {
    const value = scope.get(name);
    if (value instanceof Undefined) throw new TemplateUnsupported(`the name ${name}`);
    return value;
  };
}

function compileDict(node: ast.Literal<Map<ast.Node, ast.Node>>): Expression {
  const members = [...node.value].map(([key, value]) => [compileExpression(key), compileExpression(value)] as const);
  return (scope) => {
    const dict = new Map<string, Value>();
    for (const [key, value] of members) {
      const name = key(scope);
      if (typeof name !== "string") throw new TemplateUnsupported(`a dict key of type ${typeName(name)}`);
      dict.set(name, value(scope));
    }
    return dict;
  };
}

function compileMember(node: ast.Member): Expression {
  const object = compileExpression(node.object);
  if (!node.computed && node.property.type === "Identifier") {
    const name = (node.property as ast.Identifier).value;
    return (scope) => getAttribute(object(scope), name);
  }
  if (node.property.type === "SliceExpression") {
    const { start, stop, step } = node.property as ast.Slice;
    const bounds = [start, stop, step].map((bound) => (bound === undefined ? () => null : compileExpression(bound)));
    return (scope) =>
      slice(
        object(scope),
        bounds.map((bound) => bound(scope)),
      );
  }
  const key = compileExpression(node.property);
  return (scope) => getItem(object(scope), key(scope));
}

/** Compiles an argument list into a function that evaluates it. */
export function compileArguments(nodes: readonly ast.Node[]): (scope: Scope) => [Value[], Map<string, Value>] {
  const positional: Expression[] = [];
  const keywords: [string, Expression][] = [];
  for (const node of nodes) {
    if (node.type === "KeywordArgumentExpression") {
      const { key, value } = node as ast.KeywordArgument;
      keywords.push([key.value, compileExpression(value)]);
    } else positional.push(compileExpression(node));
  }
  return (scope) => [
    positional.map((argument) => argument(scope)),
    new Map(keywords.map(([name, value]) => [name, value(scope)])),
  ];
}

function compileCall(node: ast.Call): Expression {
  const callee = compileExpression(node.callee);
  const evaluate = compileArguments(node.args);
  return (scope) => {
    const called = callee(scope);
    if (called instanceof Undefined) throw undefinedError(called);
    if (!(called instanceof PyFunction)) throw new TemplateFailure(`'${typeName(called)}' object is not callable`);
    return called.call(...evaluate(scope));
  };
}

/** The filter's name and arguments: `name` or `name(...)`. */
export function compileFilter(node: ast.Filter): Expression {
  const operand = compileExpression(node.operand);
  const call = node.filter.type === "CallExpression" ? (node.filter as ast.Call) : null;
  const nameNode = call === null ? node.filter : call.callee;
  // Anything after a filter's arguments (`x|f().y`) is an error in jinja2 but parses here.
  if (nameNode.type !== "Identifier") throw new TemplateUnsupported("a filter followed by a call or a member");
  const { value: name } = nameNode as ast.Identifier;
  const filter = findFilter(name);
  const evaluate = compileArguments(call?.args ?? []);
  return (scope) => filter(operand(scope), new Arguments(name, ...evaluate(scope)));
}

function compileUnary(node: ast.Unary): Expression {
  const argument = compileExpression(node.argument);
  const operator = node.operator.value;
  if (operator === "not") return (scope) => !truthy(argument(scope));
  if (operator !== "-") throw new TemplateUnsupported(`the unary operator ${operator}`);
  return (scope) => {
    const value = argument(scope);
    if (value instanceof PyFloat) return new PyFloat(-value.value);
    const number = numeric(value);
    if (number === undefined) throw new TemplateFailure(`bad operand type for unary -: '${typeName(value)}'`);
    return typeof number === "number" ? 0 - number : -number;
  };
}

function compileBinary(node: ast.Binary): Expression {
  const operator = node.operator.value;
  const left = compileExpression(node.left);
  const right = compileExpression(node.right);
  if (operator === "and") {
    return (scope) => {
      const value = left(scope);
      return truthy(value) ? right(scope) : value;
    };
  }
  if (operator === "or") {
    return (scope) => {
      const value = left(scope);
      return truthy(value) ? value : right(scope);
    };
  }
  const apply = Object.hasOwn(OPERATORS, operator) ? OPERATORS[operator] : undefined;
  if (apply === undefined) throw new TemplateUnsupported(`the operator ${operator}`);
  // Python reads `a < b < c` as `a < b and b < c`; this parser as `(a < b) < c`, and brackets cannot be told apart.
  if (COMPARISONS.has(operator) && [node.left, node.right].some(isComparison)) {
    throw new TemplateUnsupported("a comparison of a comparison");
  }
  return (scope) => apply(left(scope), right(scope));
}

function isComparison(node: ast.Node): boolean {
  return node.type === "BinaryExpression" && COMPARISONS.has((node as ast.Binary).operator.value);
}
