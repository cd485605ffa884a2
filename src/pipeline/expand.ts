/** Matrices: one step of the file becomes one step for every combination of values. */
import { hideSecrets } from "../base/index.js";
import { findReferences, parseStepName } from "./references.js";
import type { MatrixValue, StepEntry } from "./schema.js";
import type { Path, Source } from "./source.js";
import { suggestion } from "./suggest.js";

export type Values = Record<string, MatrixValue>;

export interface Instance {
  name: string;
  base: string;
  values: Values;
}

/** Instances of every step by its name in the file. */
export type Instances = ReadonlyMap<string, readonly Instance[]>;

export interface StepReference {
  name: string;
  selector: string | undefined;
  path: Path;
  /** As written, to point at it inside a longer text. */
  text: string;
}

/**
 * Expands steps in an order in which each comes after those it refers to. A step that refers to an expanded one without
 * saying which is expanded along with it, so that each train[...] gets its own evaluate[...].
 */
export function expandSteps(
  order: readonly string[],
  steps: Readonly<Record<string, StepEntry>>,
  referencesOf: (base: string) => readonly StepReference[],
  source: Source,
): Instances {
  const expanded = new Map<string, Instance[]>();
  for (const base of order) {
    let combinations: Values[] = [{}];
    for (const { name, selector } of referencesOf(base)) {
      if (selector === undefined)
        combinations = join(
          combinations,
          (expanded.get(name) ?? []).map(({ values }) => values),
        );
    }
    combinations = join(combinations, product(steps[base]?.matrix ?? {}));
    const path = ["steps", base, "matrix"];
    if (combinations.length === 0) {
      throw source.error({
        message: `no combination of matrix values is left for ${base}`,
        path,
        hint: "its values and those of the steps it reads share a key but no value",
      });
    }
    const instances = combinations.map((values) => ({ base, values, name: instanceName(base, values) }));
    const twice = instances.find(({ name }, k) => instances.findIndex((other) => other.name === name) !== k);
    if (twice !== undefined) {
      throw source.error({
        message: `two combinations of matrix values are both named ${twice.name}`,
        path,
        hint: "values must differ in letters, digits, dots and signs",
      });
    }
    expanded.set(base, instances);
  }
  return expanded;
}

/** The instances that a reference from a step with these values means. `*` gives all. */
export function selectInstances(
  reference: StepReference,
  values: Values,
  instances: Instances,
  source: Source,
): readonly Instance[] {
  const all = instances.get(reference.name) ?? [];
  const { selector, path, text } = reference;
  if (selector === "*") return all;
  const wanted =
    selector === undefined
      ? all.filter((instance) => agree(instance.values, values))
      : all.filter(({ name }) => name === `${reference.name}[${selector}]`);
  if (wanted.length > 0) return wanted;
  const names = all.map(({ name }) => name);
  throw source.error({
    message: `there is no step ${reference.name}[${selector ?? ""}]`,
    path,
    within: text,
    hint: suggestion(`${reference.name}[${selector ?? ""}]`, names, "steps"),
  });
}

/** Steps that an entry refers to in its inputs and options. */
export function stepReferences(base: string, entry: StepEntry, source: Source): StepReference[] {
  const path = ["steps", base];
  const fromInputs = Object.entries(entry.in ?? {}).flatMap(([input, text]): StepReference[] => {
    const step = parseStepName(text);
    return step === undefined ? [] : [{ ...step, text, path: [...path, "in", input] }];
  });
  return [...fromInputs, ...referencesInOptions(entry.with ?? {}, [...path, "with"], source)];
}

export function referencesInOptions(value: unknown, path: Path, source: Source): StepReference[] {
  const refuse = refusal(source);
  return findReferences(value, path, refuse).flatMap(({ reference, place }) =>
    reference.kind === "steps"
      ? [{ name: reference.name, selector: reference.selector, path: place.path, text: place.text }]
      : [],
  );
}

export function refusal(source: Source) {
  return (place: { path: Path; text: string }, message: string, hint?: string): Error =>
    source.error({ message, hint, path: place.path, within: place.text });
}

function product(matrix: Readonly<Record<string, readonly MatrixValue[]>>): Values[] {
  let combinations: Values[] = [{}];
  for (const [key, values] of Object.entries(matrix)) {
    combinations = combinations.flatMap((combination) => values.map((value) => ({ ...combination, [key]: value })));
  }
  return combinations;
}

/** Pairs that agree on every shared key. */
function join(left: readonly Values[], right: readonly Values[]): Values[] {
  return left.flatMap((a) => right.filter((b) => agree(a, b)).map((b) => ({ ...a, ...b })));
}

function agree(a: Values, b: Values): boolean {
  return Object.keys(a).every((key) => !Object.hasOwn(b, key) || a[key] === b[key]);
}

/** Names become directory names, so only harmless characters of a value are kept. */
function instanceName(base: string, values: Values): string {
  const parts = Object.entries(values).map(
    ([key, value]) => `${key}=${hideSecrets(String(value)).replaceAll(/[^A-Za-z0-9._+-]/g, "_")}`,
  );
  return parts.length === 0 ? base : `${base}[${parts.join(",")}]`;
}
