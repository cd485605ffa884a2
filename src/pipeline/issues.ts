/** zod's issues in the toolkit's form: one sentence, the path, and the nearest known name. */

import { z } from "zod";
import { defined } from "../base/index.js";
import type { Path } from "./source.js";
import { nearest } from "./suggest.js";

export interface Issue {
  message: string;
  path: Path;
  hint?: string;
  /** The key itself is wrong, not its value. */
  atKey: boolean;
}

type JsonSchema = z.core.JSONSchema.BaseSchema;
type ZodIssue = z.core.$ZodIssue;

/** The issues of a failed parse; unknown keys become one issue each. */
export function explainIssues(error: z.ZodError, schema: z.ZodType, noun = "key"): Issue[] {
  return error.issues.flatMap((issue) => explain(issue, [], schema, noun));
}

function explain(issue: ZodIssue, prefix: Path, schema: z.ZodType, noun: string): Issue[] {
  const path = [...prefix, ...issue.path.map((key) => (typeof key === "symbol" ? String(key) : key))];
  if (issue.code === "unrecognized_keys") {
    const known = knownKeys(schema, path);
    return issue.keys.map((key) => {
      const match = nearest(key, known);
      const hint = match === undefined ? `known here: ${known.join(", ")}` : `did you mean ${match}?`;
      return {
        message: `unknown ${noun} ${key}`,
        path: [...path, key],
        hint: known.length === 0 ? "nothing may stand here" : hint,
        atKey: true,
      };
    });
  }
  if (
    issue.code === "invalid_key" ||
    (issue.code === "invalid_type" && issue.input === undefined && /received undefined/.test(issue.message))
  ) {
    if (issue.code === "invalid_key") {
      return [{ message: issue.issues[0]?.message ?? issue.message, path, atKey: true }];
    }
    return [
      {
        message: `${String(path.at(-1) ?? "a value")} is missing`,
        path: path.slice(0, -1),
        hint: expectedOf(issue.message),
        atKey: true,
      },
    ];
  }
  if (issue.code === "invalid_union") {
    const nested = closestBranch(issue.errors);
    if (nested !== undefined) return nested.flatMap((inner) => explain(inner, path, schema, noun));
    const wanted = [...new Set(issue.errors.flatMap((branch) => branch.map((inner) => lower(inner.message))))];
    return [{ message: wanted.length === 0 ? lower(issue.message) : wanted.join(", or "), path, atKey: false }];
  }
  if (issue.code === "invalid_value") {
    const values = issue.values.map(String);
    const given = typeof issue.input === "string" ? nearest(issue.input, values) : undefined;
    const message = values.length === 1 ? `expected ${values[0]}` : `expected one of ${values.join(", ")}`;
    return [{ message, path, atKey: false, ...defined({ hint: given && `did you mean ${given}?` }) }];
  }
  return [{ message: lower(issue.message), path, atKey: false }];
}

/** The branch of a union that matched furthest: one that fails below its top says most about what was meant. */
function closestBranch(branches: readonly (readonly ZodIssue[])[]): readonly ZodIssue[] | undefined {
  if (branches.length === 1) return branches[0];
  const deeper = branches.filter((branch) =>
    branch.every((issue) => issue.path.length > 0 || issue.code === "unrecognized_keys"),
  );
  return deeper.length === 1 ? deeper[0] : undefined;
}

function lower(message: string): string {
  const text = message
    .replace(/^Invalid input: /, "")
    .replaceAll(/\b(object|record)\b/g, "map")
    .replaceAll(/\barray\b/g, "list");
  return text.charAt(0).toLowerCase() + text.slice(1);
}

function expectedOf(message: string): string {
  return lower(message).replace(/, received undefined$/, "");
}

/** The JSON Schema of what a user writes, with parts that JSON Schema cannot say left open. */
export function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, {
    io: "input",
    unrepresentable: "any",
    // Only its code knows what a preprocess step accepts; the schema that it leads to is the best description.
    override: ({ zodSchema, jsonSchema }) => {
      const { def } = zodSchema._zod;
      if (def.type !== "pipe" || def.in._zod.def.type !== "transform") return;
      const { $schema: _dialect, ...leadsTo } = jsonSchemaOf(def.out as z.ZodType);
      jsonSchema.anyOf = [leadsTo, {}];
    },
  }) as JsonSchema;
}

/** Names that a map at this path may have. */
export function knownKeys(schema: z.ZodType, path: Path): string[] {
  const root = jsonSchemaOf(schema);
  let nodes: JsonSchema[] = branches(root, root);
  for (const key of path) nodes = nodes.flatMap((node) => step(node, key)).flatMap((node) => branches(node, root));
  return [...new Set(nodes.flatMap((node) => Object.keys(node.properties ?? {})))];
}

function step(node: JsonSchema, key: string | number): JsonSchema[] {
  const own = node.properties?.[String(key)];
  if (isSchema(own)) return [own];
  if (typeof key === "number") return isSchema(node.items) ? [node.items] : [];
  return isSchema(node.additionalProperties) ? [node.additionalProperties] : [];
}

function branches(node: JsonSchema, root: JsonSchema): JsonSchema[] {
  const target = node.$ref === undefined ? node : lookup(node.$ref, root);
  const inner = [...(target.anyOf ?? []), ...(target.oneOf ?? []), ...(target.allOf ?? [])].filter(isSchema);
  return [target, ...inner.flatMap((branch) => branches(branch, root))];
}

function lookup(reference: string, root: JsonSchema): JsonSchema {
  const found = root.$defs?.[reference.replace("#/$defs/", "")];
  return isSchema(found) ? found : {};
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
