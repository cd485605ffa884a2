/** Assignment: to a name, to several names, to a member of a namespace. */
import { TemplateFailure } from "../errors.js";
import type { Target } from "../syntax/nodes.js";
import { listOf, Namespace, PyTuple, type Value } from "../values/values.js";
import type { Place } from "./place.js";
import { compileVariable, type Scope } from "./scope.js";

export type Assign = (scope: Scope, value: Value) => void;

export function compileTarget(target: Target, place: Place): Assign {
  if (target.kind === "name") {
    const slot = place.frame.store(target.name, place.soft);
    return (scope, value) => {
      scope.values[slot] = value;
    };
  }
  if (target.kind === "member") {
    const { name } = target;
    const read = compileVariable(target.namespace, place.frame);
    return (scope, value) => setMember(read(scope), name, value);
  }
  const targets = target.items.map((item) => compileTarget(item, place));
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

/** transformers lets no name with an underscore in front into a namespace. */
export function checkedMember(name: string): string {
  if (name.startsWith("_")) throw new TemplateFailure(`a namespace cannot hold the underscore-prefixed name '${name}'`);
  return name;
}

/** jinja2 asks whether the targets are namespaces before it computes the value. */
export function compileNamespaceChecks(target: Target, place: Place): (scope: Scope) => void {
  const names = namespacesOf(target).map((name) => compileVariable(name, place.frame));
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

/** The value as the target takes it apart: tuples for groups of names. */
export function repacked(target: Target, value: Value): Value {
  if (target.kind !== "targets") return value;
  const items = unpacked(value, target.items.length);
  return new PyTuple(target.items.map((item, index) => repacked(item, items[index]!)));
}
