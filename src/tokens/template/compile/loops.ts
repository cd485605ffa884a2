/** Compiles `for`. */
import { LoopContext, LoopItems } from "../builtins/loop.js";
import type * as ast from "../syntax/nodes.js";
import { iterate, truthy, type Value } from "../values/values.js";
import { type Block, type Ending, type Expression, innerPlace, type Output, type Place } from "./place.js";
import type { Scope } from "./scope.js";
import { compileTarget, repacked } from "./targets.js";

/** Runs the loop over a value; `depth` counts recursive calls. */
type Loop = (scope: Scope, source: Value, output: Output, depth: number) => Ending;

export function compileFor(node: ast.ForNode, place: Place): Block {
  const source = place.compiler.expression(node.source, place);
  if (!node.recursive) {
    const loop = compileLoop(node, place, null);
    return (scope, output) => loop(scope, source(scope), output, 0);
  }
  const render = (scope: Scope, value: Value, depth: number): string =>
    scope.run.nested(() => {
      const output: Output = { text: "" };
      loop(scope, value, output, depth);
      return output.text;
    });
  // The body of a recursive loop is a function in Python: no `break` in its else reaches an outer loop.
  const loop = compileLoop(node, { ...place, inLoop: false }, render);
  return (scope, output) => {
    output.text += render(scope, source(scope), 0);
    return "end";
  };
}

function compileLoop(
  node: ast.ForNode,
  place: Place,
  render: ((scope: Scope, value: Value, depth: number) => string) | null,
): Loop {
  const inner = innerPlace(place, true);
  const loopSlot = inner.frame.slot("loop");
  const assign = compileTarget(node.target, inner);
  const body = place.compiler.block(node.body, inner);
  const select = node.filter === null ? null : compileSelection(node.target, node.filter, place);
  const otherwise = node.otherwise.length === 0 ? null : place.compiler.block(node.otherwise, innerPlace(place));
  return (scope, source, output, depth) => {
    const items = new LoopItems(select === null ? iterate(source) : select(scope, iterate(source)));
    const loop = new LoopContext(items, depth, render && ((value) => render(scope, value, depth + 1)));
    let completed = false;
    for (let item = items.at(0); item !== undefined; item = items.at(loop.index0)) {
      scope.run.spend();
      const own = scope.inner();
      own.values[loopSlot] = loop;
      assign(own, item);
      const ending = body(own, output);
      if (ending === "break") break;
      // As in jinja2, a loop whose every iteration was cut short by `continue` counts as one without iterations.
      if (ending === "end") completed = true;
      loop.index0 += 1;
    }
    return completed || otherwise === null ? "end" : otherwise(scope.inner(), output);
  };
}

/** The items for which `for ... if` holds, found one by one as the loop runs. */
function compileSelection(
  target: ast.Target,
  filter: ast.Expression,
  place: Place,
): (scope: Scope, items: Iterable<Value>) => Iterable<Value> {
  const inner = innerPlace(place);
  const assign = compileTarget(target, inner);
  const holds: Expression = place.compiler.expression(filter, inner);
  return function* (scope, items) {
    for (const item of items) {
      scope.run.spend();
      const own = scope.inner();
      const value = repacked(target, item);
      assign(own, value);
      if (truthy(holds(own))) yield value;
    }
  };
}
