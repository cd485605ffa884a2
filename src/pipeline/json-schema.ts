/** JSON Schemas: one for each stage's options and for its figures, and one for pipeline files that knows every stage. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { defined, fromErrno, makeDirectory } from "../base/index.js";
import type { ReportFiles } from "../report/index.js";
import type { Stage } from "../stages/stage.js";
import { jsonSchemaOf } from "./issues.js";
import type { StageRegistry } from "./plan-types.js";
import { pipelineSchema } from "./schema.js";
import { SERVICE_TYPES, type ServiceRegistry } from "./services/index.js";
import { allStages } from "./stage-registry.js";

export interface JsonSchema {
  [key: string]: unknown;
}

const DIALECT = "https://json-schema.org/draft/2020-12/schema";
/** Any option may also be a reference, whose type only a run knows. */
const REFERENCE = { type: "string", pattern: "\\$\\{" };

export function stageJsonSchema(stage: Stage): JsonSchema {
  return {
    ...(jsonSchemaOf(stage.options) as JsonSchema),
    title: `draftsmith ${stage.name}`,
    description: stage.summary,
  };
}

/** Of the figures that a stage writes, for programs that read them. */
export function reportJsonSchema({ name }: Stage, { file, schema }: ReportFiles): JsonSchema {
  return {
    ...(z.toJSONSchema(schema) as JsonSchema),
    title: `draftsmith ${name}: ${file}`,
    description: `the figures that ${name} writes`,
  };
}

export async function pipelineJsonSchema(
  stages: StageRegistry = allStages,
  services: ServiceRegistry = SERVICE_TYPES,
): Promise<JsonSchema> {
  const root = jsonSchemaOf(pipelineSchema) as JsonSchema;
  const definitions: JsonSchema = {};
  const loaded = await Promise.all(stages.names.map((name) => stages.load(name)));
  const properties = root.properties as Record<string, JsonSchema>;
  const steps = properties.steps!;
  steps.additionalProperties = {
    ...(steps.additionalProperties as JsonSchema),
    allOf: [usesOneOf(stages.names), ...loaded.map((stage) => stepRule(stage, definitions))],
  };
  const types = Object.values(services);
  const declared = nonNull(properties.services!);
  declared.additionalProperties = {
    ...(declared.additionalProperties as JsonSchema),
    allOf: [
      usesOneOf(types.map(({ name }) => name)),
      ...types.map((type) => withRule(type.name, jsonSchemaOf(type.options) as JsonSchema, definitions)),
    ],
  };
  return { ...root, $schema: DIALECT, title: "draftsmith pipeline", $defs: definitions };
}

/** Files for configs/schema by name. */
export async function exportSchemas(stages: StageRegistry = allStages): Promise<Record<string, JsonSchema>> {
  const files: Record<string, JsonSchema> = { "pipeline.schema.json": await pipelineJsonSchema(stages) };
  for (const name of stages.names) {
    const stage = await stages.load(name);
    files[`${name}.schema.json`] = stageJsonSchema(stage);
    if (stage.reportFiles !== undefined)
      files[`${name}-report.schema.json`] = reportJsonSchema(stage, stage.reportFiles);
  }
  return files;
}

/** Writes them and returns the paths. */
export async function writeSchemas(directory: string, stages: StageRegistry = allStages): Promise<string[]> {
  const schemas = Object.entries(await exportSchemas(stages));
  try {
    await makeDirectory(directory);
    for (const [name, schema] of schemas)
      await writeFile(join(directory, name), `${JSON.stringify(schema, null, 2)}\n`);
  } catch (error) {
    throw fromErrno(error, directory, { use: "write", field: "write" });
  }
  return schemas.map(([name]) => join(directory, name));
}

function stepRule(stage: Stage, definitions: JsonSchema): JsonSchema {
  const specs = Object.entries(stage.inputs as Stage["inputs"]);
  const inputs = {
    type: ["object", "null"],
    additionalProperties: false,
    properties: Object.fromEntries(specs.map(([name, { description }]) => [name, { type: "string", description }])),
    required: specs.filter(([, { optional }]) => optional !== true).map(([name]) => name),
  };
  return withRule(stage.name, jsonSchemaOf(stage.options) as JsonSchema, definitions, { in: inputs });
}

/** What `with` (and more) must look like when `uses` has this name. */
function withRule(name: string, options: JsonSchema, definitions: JsonSchema, more: JsonSchema = {}): JsonSchema {
  const { $schema: _dialect, $defs = {}, ...own } = renameDefinitions(options, `${name}.`) as JsonSchema;
  for (const [key, value] of Object.entries($defs as JsonSchema)) definitions[`${name}.${key}`] = value;
  return {
    if: { properties: { uses: { const: name } }, required: ["uses"] },
    // biome-ignore lint/suspicious/noThenProperty: the keyword of JSON Schema
    then: { properties: { with: { anyOf: [orReference(own, true), { type: "null" }] }, ...more } },
  };
}

/** References point at the root of a document, where parts of several schemas meet: their names get a prefix. */
function renameDefinitions(value: unknown, prefix: string): unknown {
  if (Array.isArray(value)) return value.map((item) => renameDefinitions(item, prefix));
  if (!isSchema(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => {
      if (key === "$ref" && typeof member === "string") return [key, member.replace("#/$defs/", `#/$defs/${prefix}`)];
      return [key, renameDefinitions(member, prefix)];
    }),
  );
}

function usesOneOf(names: readonly string[]): JsonSchema {
  return { properties: { uses: { enum: names } } };
}

/** The schema with `or a reference` at every value that is not text anyway. The top itself is always a map. */
function orReference(schema: unknown, top = false): JsonSchema {
  const { properties, items, additionalProperties, ...rest } = schema as JsonSchema;
  const inner: JsonSchema = { ...rest };
  if (isSchema(properties)) {
    inner.properties = Object.fromEntries(Object.entries(properties).map(([key, value]) => [key, orReference(value)]));
  }
  if (isSchema(items)) inner.items = orReference(items);
  if (additionalProperties !== undefined) {
    inner.additionalProperties = isSchema(additionalProperties)
      ? orReference(additionalProperties)
      : additionalProperties;
  }
  const plainText =
    inner.type === "string" &&
    inner.enum === undefined &&
    inner.format === undefined &&
    inner.pattern === undefined &&
    inner.const === undefined;
  if (top || plainText) return inner;
  const { description, default: standard, ...checks } = inner;
  return {
    ...defined({ description, default: standard }),
    anyOf: [checks, REFERENCE],
  };
}

function nonNull(schema: JsonSchema): JsonSchema {
  const branches = schema.anyOf as JsonSchema[] | undefined;
  return branches?.find(({ type }) => type !== "null") ?? schema;
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
