/** Compiles statements into functions that write text. */
import { TemplateSyntaxError, templateError } from "../errors.js";
import type * as ast from "../syntax/nodes.js";
import { checkLength } from "../values/limits.js";
import { str } from "../values/text.js";
import { truthy, type Value } from "../values/values.js";
import {
  type Block,
  type CompileContext,
  type Compiler,
  type Ending,
  type Expression,
  innerContext,
  type Output,
} from "./context.js";
import { compileExpression } from "./expressions.js";
import { compileFilter } from "./filtering.js";
import { compileFor } from "./loops.js";
import { compileCallBlock, compileGeneration, compileMacro } from "./macros.js";
import type { Scope } from "./scope.js";
import { compileNamespaceChecks, compileTarget } from "./targets.js";

export function compileBlock(nodes: readonly ast.Statement[], context: CompileContext): Block {
  const statements = nodes.map((node) => {
    try {
      return compileStatement(node, context);
    } catch (error) {
      throw templateError(error, node.line);
    }
  });
  const lines = nodes.map((node) => node.line);
  return (scope, output) => {
    let at = 0;
    try {
      for (; at < statements.length; at += 1) {
        const ending = statements[at]!(scope, output);
        if (ending !== "end") return ending;
      }
      return "end";
    } catch (error) {
      throw templateError(error, lines[at]!);
    }
  };
}

function compileStatement(node: ast.Statement, context: CompileContext): Block {
  switch (node.kind) {
    case "text": {
      const { text } = node;
      return (_, output) => {
        output.text += text;
        return "end";
      };
    }
    case "output":
      return compileOutput(compileExpression(node.value, context));
    case "if":
      return compileIf(node, context);
    case "for":
      return compileFor(node, context);
    case "set":
      return compileSet(node, context);
    case "set-block":
      return compileSetBlock(node, context);
    case "with":
      return compileWith(node, context);
    case "macro":
      return compileMacro(node.macro, context);
    case "call-block":
      return compileCallBlock(node, context);
    case "generation":
      return compileGeneration(node.macro, context);
    case "filter-block":
      return compileFilterBlock(node, context);
    default: {
      if (!context.inLoop) throw new TemplateSyntaxError(`'${node.kind}' outside a loop`);
      const ending = node.kind;
      return () => ending;
    }
  }
}

function compileOutput(value: Expression): Block {
  return (scope, output) => {
    output.text += str(value(scope));
    checkLength(output.text.length);
    return "end";
  };
}

function compileIf(node: Extract<ast.Statement, { kind: "if" }>, context: CompileContext): Block {
  const soft = { ...context, soft: true };
  const test = compileExpression(node.test, soft);
  const body = compileBlock(node.body, soft);
  const otherwise = compileBlock(node.otherwise, soft);
  return (scope, output) => (truthy(test(scope)) ? body(scope, output) : otherwise(scope, output));
}

function compileSet(node: Extract<ast.Statement, { kind: "set" }>, context: CompileContext): Block {
  const value = compileExpression(node.value, context);
  const check = compileNamespaceChecks(node.target, context);
  const assign = compileTarget(node.target, context);
  return (scope) => {
    check(scope);
    assign(scope, value(scope));
    return "end";
  };
}

/** The variable that holds a block's text while its filter runs; no template name contains a space. */
const BLOCK_TEXT = "block text";

/** Compiles a set or filter block: `use` receives its filtered text. `break` and `continue` discard the text. */
function compileCaptured(
  body: readonly ast.Statement[],
  filter: ast.FilterNode | null,
  context: CompileContext,
): (scope: Scope, use: (value: Value) => void) => Ending {
  const inner = innerContext(context);
  const block = compileBlock(body, inner);
  const slot = inner.frame.slot(BLOCK_TEXT);
  const read = (scope: Scope): Value => scope.values[slot]!;
  const result = filter === null ? read : compileFilter(filter, read, inner);
  return (scope, use) => {
    const output: Output = { text: "" };
    const own = scope.inner();
    const ending = block(own, output);
    if (ending !== "end") return ending;
    own.values[slot] = output.text;
    use(result(own));
    return "end";
  };
}

function compileSetBlock(node: Extract<ast.Statement, { kind: "set-block" }>, context: CompileContext): Block {
  const captured = compileCaptured(node.body, node.filter, context);
  const check = compileNamespaceChecks(node.target, context);
  const assign = compileTarget(node.target, context);
  return (scope) =>
    captured(scope, (value) => {
      check(scope);
      assign(scope, value);
    });
}

function compileFilterBlock(node: Extract<ast.Statement, { kind: "filter-block" }>, context: CompileContext): Block {
  const captured = compileCaptured(node.body, node.filter, context);
  return (scope, output) =>
    captured(scope, (value) => {
      output.text += str(value);
    });
}

function compileWith(node: Extract<ast.Statement, { kind: "with" }>, context: CompileContext): Block {
  const inner = innerContext(context);
  const values = node.values.map((value) => compileExpression(value, context));
  const targets = node.targets.map((target) => compileTarget(target, inner));
  const body = compileBlock(node.body, inner);
  return (scope, output) => {
    const own = scope.inner();
    for (const [index, assign] of targets.entries()) assign(own, values[index]!(scope));
    return body(own, output);
  };
}

export const COMPILER: Compiler = { expression: compileExpression, block: compileBlock };
