/** `--set vars.x=value`: changes to a pipeline file's content before anything else looks at it. */
import { resolve } from "node:path";
import { DraftsmithError, hideSecrets, hideSecretsIn, isJsonObject, JsonNumber, ownKey } from "../base/index.js";
import type { Path, Source } from "./source.js";
import { suggestion } from "./suggest.js";
import { parseYaml } from "./yaml-numbers.js";

const SECTIONS = { vars: "variables", services: "services", steps: "steps", expect: "expect" } as const;

/** Applies assignments in order and returns the changed copy; the source records which values came from `--set`. */
export function applyOverrides(source: Source, assignments: readonly string[], cwd: string): unknown {
  const root = copyOf(source.value);
  for (const assignment of assignments) {
    const { path, value } = parseAssignment(assignment, cwd);
    put(root, path, value, assignment);
    source.noteOverride(path, publicAssignment(assignment));
  }
  return root;
}

/** An assignment that is safe to show: a value with secrets is rewritten without them. */
export function publicAssignment(assignment: string): string {
  const equals = assignment.indexOf("=");
  if (equals < 0) return hideSecrets(assignment);
  const key = assignment.slice(0, equals);
  const text = assignment.slice(equals + 1);
  const value = { [key.split(".").at(-1) ?? ""]: parseValue(text, "") };
  const shown = hideSecretsIn(value);
  if (JSON.stringify(shown) === JSON.stringify(value)) return hideSecrets(assignment);
  return `${hideSecrets(key)}=${JSON.stringify(Object.values(shown)[0])}`;
}

function parseAssignment(assignment: string, cwd: string): { path: Path; value: unknown } {
  const equals = assignment.indexOf("=");
  if (equals <= 0) throw usage(`--set ${publicAssignment(assignment)} has no value`, "write --set vars.name=value");
  const [section = "", ...rest] = assignment.slice(0, equals).split(".");
  if (!Object.hasOwn(SECTIONS, section) || rest.length === 0 || rest.includes("")) {
    throw usage(
      `--set ${publicAssignment(assignment)}: ${assignment.slice(0, equals)} cannot be set`,
      "what can be set: vars.NAME, steps.NAME.with.OPTION, steps.NAME.in.INPUT, services.NAME.with.OPTION, expect.FIGURE",
    );
  }
  const path = [SECTIONS[section as keyof typeof SECTIONS], ...rest];
  return { path, value: parseValue(assignment.slice(equals + 1), cwd) };
}

/** A YAML value; a path that starts with ./ or ../ is relative to the working directory. */
function parseValue(text: string, cwd: string): unknown {
  if (/^\.\.?(\/|$)/.test(text)) return resolve(cwd, text);
  if (text === "" || text.startsWith("${")) return text;
  try {
    return parseYaml(text);
  } catch {
    return text;
  }
}

function put(root: unknown, path: Path, value: unknown, assignment: string): void {
  let node = root;
  for (const [depth, key] of path.entries()) {
    if (!isMap(node)) {
      throw usage(
        `--set ${publicAssignment(assignment)}: ${path.slice(0, depth).join(".")} is no map`,
        "name an existing variable, option or input",
      );
    }
    // Steps, services and variables must exist: an unknown one is most likely a typo. Options and figures may be new.
    if (path[0] !== "expect" && depth <= 1 && !Object.hasOwn(node, key)) {
      const what = path[0] === "variables" ? "variables" : `${path[0]}`;
      const known = depth === 0 ? [] : Object.keys(node);
      throw usage(
        `--set ${publicAssignment(assignment)}: the pipeline has no ${depth === 0 ? what : `${what.slice(0, -1)} ${key}`}`,
        suggestion(String(key), known, what),
      );
    }
    const own = ownKey(node, String(key));
    if (depth === path.length - 1) {
      node[own] = value;
      return;
    }
    node[own] ??= {};
    node = node[own];
  }
}

function isMap(value: unknown): value is Record<string | number, unknown> {
  return isJsonObject(value);
}

/** As structuredClone, which does not know JsonNumber. What aliases share stays shared. */
function copyOf(value: unknown, known = new Map<object, unknown>()): unknown {
  if (typeof value !== "object" || value === null || value instanceof JsonNumber) return value;
  if (known.has(value)) return known.get(value);
  if (Array.isArray(value)) {
    const items: unknown[] = [];
    known.set(value, items);
    for (const item of value) items.push(copyOf(item, known));
    return items;
  }
  if (!isMap(value) || Object.getPrototypeOf(value) !== Object.prototype) return structuredClone(value);
  const copy = Object.fromEntries(Object.entries(value));
  known.set(value, copy);
  for (const key of Object.keys(copy)) {
    const member = copyOf(copy[key], known);
    // Not assigned: a key may be __proto__.
    Object.defineProperty(copy, key, { value: member, enumerable: true, writable: true, configurable: true });
  }
  return copy;
}

function usage(message: string, hint: string): DraftsmithError {
  return new DraftsmithError("USAGE", message, { hint });
}
