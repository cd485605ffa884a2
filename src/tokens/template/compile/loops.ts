/** Compiles `for`. */
import { LoopContext, LoopItems } from "../builtins/loop.js";
import type * as ast from "../syntax/nodes.js";
import { iterate, truthy, type Value } from "../values/values.js";
import { type Block, type CompileContext, type Ending, type Expression, innerContext, type Output } from "./context.js";
import type { Scope } from "./scope.js";
import { compileTarget, repacked } from "./targets.js";

/** Runs the loop over a value; `depth` is the nesting of recursive calls. */
type Loop = (scope: Scope, source: Value, output: Output, depth: number) => Ending;

export function compileFor(node: ast.ForNode, context: CompileContext): Block {
  const source = context.compiler.expression(node.source, context);
  if (!node.recursive) {
    const loop = compileLoop(node, context, null);
    return (scope, output) => loop(scope, source(scope), output, 0);
  }
  const render = (scope: Scope, value: Value, depth: number): string =>
    scope.state.nested(() => {
      const output: Output = { text: "" };
      loop(scope, value, output, depth);
      return output.text;
    });
  // jinja2 compiles a recursive loop to a function, so a `break` in its else block cannot reach an outer loop.
  const loop = compileLoop(node, { ...context, inLoop: false }, render);
  return (scope, output) => {
    output.text += render(scope, source(scope), 0);
    return "end";
  };
}

function compileLoop(
  node: ast.ForNode,
  context: CompileContext,
  render: ((scope: Scope, value: Value, depth: number) => string) | null,
): Loop {
  const inner = innerContext(context, true);
  const loopSlot = inner.frame.slot("loop");
  const assign = compileTarget(node.target, inner);
  const body = context.compiler.block(node.body, inner);
  const select = node.filter === null ? null : compileSelection(node.target, node.filter, context);
  const otherwise = node.otherwise.length === 0 ? null : context.compiler.block(node.otherwise, innerContext(context));
  return (scope, source, output, depth) => {
    const items = new LoopItems(select === null ? iterate(source) : select(scope, iterate(source)));
    const loop = new LoopContext(items, depth, render && ((value) => render(scope, value, depth + 1)));
    let completed = false;
    for (let item = items.at(0); item !== undefined; item = items.at(loop.index0)) {
      scope.state.spend();
      const own = scope.inner();
      own.values[loopSlot] = loop;
      assign(own, item);
      const ending = body(own, output);
      if (ending === "break") break;
      // As in jinja2, the else block runs if no iteration reached the end of the body.
      if (ending === "end") completed = true;
      loop.index0 += 1;
    }
    return completed || otherwise === null ? "end" : otherwise(scope.inner(), output);
  };
}

/** The items that pass `for ... if`, tested lazily as the loop runs. */
function compileSelection(
  target: ast.Target,
  filter: ast.Expression,
  context: CompileContext,
): (scope: Scope, items: Iterable<Value>) => Iterable<Value> {
  const inner = innerContext(context);
  const assign = compileTarget(target, inner);
  const holds: Expression = context.compiler.expression(filter, inner);
  return function* (scope, items) {
    for (const item of items) {
      scope.state.spend();
      const own = scope.inner();
      const value = repacked(target, item);
      assign(own, value);
      if (truthy(holds(own))) yield value;
    }
  };
}
