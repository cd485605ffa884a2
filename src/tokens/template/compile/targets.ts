/** Compiles assignments to names, tuples of names and namespace members. */
import { TemplateFailure } from "../errors.js";
import type { Target } from "../syntax/nodes.js";
import { listOf, Namespace, PyTuple, type Value } from "../values/values.js";
import type { CompileContext } from "./context.js";
import { compileVariable, type Scope } from "./scope.js";

export type Assign = (scope: Scope, value: Value) => void;

export function compileTarget(target: Target, context: CompileContext): Assign {
  if (target.kind === "name") {
    const slot = context.frame.store(target.name, context.soft);
    return (scope, value) => {
      scope.values[slot] = value;
    };
  }
  if (target.kind === "member") {
    const { name } = target;
    const read = compileVariable(target.namespace, context.frame);
    return (scope, value) => setMember(read(scope), name, value);
  }
  const targets = target.items.map((item) => compileTarget(item, context));
  return (scope, value) => {
    const items = unpacked(value, targets.length);
    for (const [index, assign] of targets.entries()) assign(scope, items[index]!);
  };
}

function unpacked(value: Value, count: number): readonly Value[] {
  const items = listOf(value);
  if (items.length !== count) throw new TemplateFailure(`cannot unpack ${items.length} values into ${count} names`);
  return items;
}

function setMember(target: Value, name: string, value: Value): void {
  if (!(target instanceof Namespace)) throw new TemplateFailure("cannot assign attribute on non-namespace object");
  target.members.set(checkedMember(name), value);
}

/** transformers rejects namespace members with a leading underscore. */
export function checkedMember(name: string): string {
  if (name.startsWith("_")) throw new TemplateFailure(`a namespace cannot hold the underscore-prefixed name '${name}'`);
  return name;
}

/** jinja2 checks that the targets are namespaces before it evaluates the value. */
export function compileNamespaceChecks(target: Target, context: CompileContext): (scope: Scope) => void {
  const names = namespacesOf(target).map((name) => compileVariable(name, context.frame));
  return (scope) => {
    for (const read of names) {
      if (!(read(scope) instanceof Namespace)) {
        throw new TemplateFailure("cannot assign attribute on non-namespace object");
      }
    }
  };
}

function namespacesOf(target: Target): string[] {
  if (target.kind === "member") return [target.namespace];
  return target.kind === "targets" ? target.items.flatMap(namespacesOf) : [];
}

/** The value as the target unpacks it: a tuple for each group of names. */
export function repacked(target: Target, value: Value): Value {
  if (target.kind !== "targets") return value;
  const items = unpacked(value, target.items.length);
  return new PyTuple(target.items.map((item, index) => repacked(item, items[index]!)));
}
