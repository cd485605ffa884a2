/** A stage's options as command-line flags, derived from its schema, and the parsed flags as options again. */

import type { Options } from "yargs";
import { defined, parseJson } from "../base/index.js";
import { jsonSchemaOf } from "../pipeline/index.js";
import type { Stage } from "../stages/stage.js";

type JsonSchema = ReturnType<typeof jsonSchemaOf>;

export interface Flag {
  /** On the command line, without the dashes: `max-steps`, `sampling.temperature`. */
  name: string;
  /** In the options: ["maxSteps"]. */
  path: readonly string[];
  yargs: Options;
  read(given: unknown): unknown;
}

/** Flags of the command itself. */
const TAKEN = new Set([
  "out",
  "in",
  "options",
  "limit",
  "force",
  "json",
  "events",
  "dry-run",
  "help",
  "version",
  "python",
]);

/** One flag for every scalar or list; maps with known keys become dotted flags, anything else takes JSON. */
export function stageFlags(stage: Stage): Flag[] {
  const root = jsonSchemaOf(stage.options);
  return flagsOf(root, [], new Set(root.required ?? []), root);
}

/** The given options, nested again. */
export function readFlags(flags: readonly Flag[], argv: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const { name, path, read } of flags) {
    const given = argv[name];
    if (given === undefined) continue;
    let node = options;
    for (const key of path.slice(0, -1)) {
      node[key] ??= {};
      node = node[key] as Record<string, unknown>;
    }
    node[path.at(-1)!] = read(given);
  }
  return options;
}

function flagsOf(schema: JsonSchema, path: readonly string[], required: ReadonlySet<string>, root: JsonSchema): Flag[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, value]) => {
    if (typeof value === "boolean") return [];
    const inner = simplify(value as JsonSchema, root);
    const here = [...path, key];
    if (inner.type === "object" && inner.properties !== undefined) {
      return flagsOf(inner, here, new Set(), root);
    }
    return [flagOf(inner, here, required.has(key), root)];
  });
}

function flagOf(schema: JsonSchema, path: readonly string[], required: boolean, root: JsonSchema): Flag {
  const plain = path.map(kebab).join(".");
  const name = TAKEN.has(plain) ? `option-${plain}` : plain;
  const notes = [
    ...(schema.type === "number" || schema.type === "integer" ? ["number"] : []),
    ...(schema.default === undefined ? [] : [`default ${JSON.stringify(schema.default)}`]),
    ...(required ? ["required"] : []),
  ];
  const describe = [schema.description ?? "", ...(notes.length === 0 ? [] : [`[${notes.join(", ")}]`])]
    .join(" ")
    .trim();
  const common = { describe, requiresArg: true } as const;
  // Always read as text: yargs would turn "007" into 7 and "abc" into NaN; the schema's errors are better.
  if (schema.type === "boolean") return { name, path, yargs: { describe, type: "boolean" }, read: (given) => given };
  if (schema.type === "array") {
    const items =
      typeof schema.items === "object" && !Array.isArray(schema.items)
        ? simplify(schema.items as JsonSchema, root)
        : {};
    const one = { ...common, type: "string", array: true, nargs: 1 } as const;
    return {
      name,
      path,
      yargs: { ...one, describe: `${describe} (may be repeated)`.trim() },
      read: (given) => (given as string[]).map((text) => readText(text, items)),
    };
  }
  const choices = schema.enum?.map(String);
  return {
    name,
    path,
    yargs: {
      ...common,
      type: "string",
      ...defined({ describe: choices && `${describe} (${choices.join(", ")})` }),
    },
    read: (given) => readText(lastOf(given), schema),
  };
}

function readText(text: string, schema: JsonSchema): unknown {
  if (schema.type === "string") return text;
  const choice = schema.enum?.find((value) => String(value) === text);
  if (choice !== undefined) return choice;
  // JSON.parse alone takes 1e400, as a number that schemas refuse.
  for (const parse of [parseJson, JSON.parse]) {
    try {
      return parse(text) as unknown;
    } catch {
      // Not JSON: taken as text.
    }
  }
  return text;
}

/** The last value of a repeated flag wins. */
function lastOf(given: unknown): string {
  return String(Array.isArray(given) ? given.at(-1) : given);
}

/** Follows references, and looks through "or null" to what a flag can express. */
function simplify(schema: JsonSchema, root: JsonSchema): JsonSchema {
  if (schema.$ref !== undefined) {
    const target = root.$defs?.[schema.$ref.replace("#/$defs/", "")];
    return typeof target === "object" ? simplify({ ...target, ...omitReference(schema) }, root) : {};
  }
  const branches = (schema.anyOf ?? []).filter(
    (branch) => typeof branch === "object" && branch.type !== "null" && Object.keys(branch).length > 0,
  ) as JsonSchema[];
  if (branches.length !== 1) return schema;
  const { anyOf: _anyOf, ...rest } = schema;
  return simplify({ ...branches[0]!, ...rest }, root);
}

function omitReference({ $ref: _reference, ...rest }: JsonSchema): JsonSchema {
  return rest;
}

function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
