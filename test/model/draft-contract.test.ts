/** A draft's config.json against its target. The cases are those of the trainer's own checker: one file for both. */
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { isDraftsmithError, isJsonObject, type JsonObject } from "../../src/base/index.js";
import {
  DRAFT_ARCHITECTURES,
  draftProblems,
  MODEL_TYPES,
  openModel,
  readDraftConfig,
  type TargetConfig,
} from "../../src/model/index.js";
import { scratchDirectory } from "../scratch/scratch.js";
import { TINY_GUI } from "../tokens/reference.js";

const targetSchema = z.strictObject({
  modelType: z.enum(MODEL_TYPES).optional(),
  layers: z.number().optional(),
  hiddenSize: z.number().optional(),
  vocabSize: z.number().optional(),
  maxPositions: z.number().optional(),
});
const vocabularySchema = z.record(z.string(), z.number());
const goldenSchema = z.strictObject({
  about: z.string(),
  architectures: z.array(z.string()),
  target: targetSchema,
  tokenizer: vocabularySchema,
  draft: z.record(z.string(), z.json()),
  cases: z.array(
    z.strictObject({
      name: z.string(),
      set: z.record(z.string(), z.json()).default({}),
      remove: z.array(z.string()).default([]),
      target: targetSchema.default({}),
      tokenizer: vocabularySchema.default({}),
      errors: z.array(z.string()),
      warnings: z.array(z.string()).default([]),
    }),
  ),
});
type Case = z.infer<typeof goldenSchema>["cases"][number];

const path = new URL("../contract/draft-configs.json", import.meta.url);
const golden = goldenSchema.parse(JSON.parse(await readFile(path, "utf8")));
const { config } = await openModel(TINY_GUI);

let directory: string;
beforeEach(() => {
  directory = scratchDirectory("draft");
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** The object that holds the last key of a dotted path, and that key. */
function placeOf(document: JsonObject, dotted: string): [place: JsonObject, key: string] {
  const keys = dotted.split(".");
  const key = keys.pop()!;
  const place = keys.reduce((object, one) => {
    const inner = object[one];
    if (!isJsonObject(inner)) throw new Error(`${dotted} is no path of the draft`);
    return inner;
  }, document);
  return [place, key];
}

function documentOf({ set, remove }: Case): JsonObject {
  const document = structuredClone(golden.draft);
  for (const [dotted, value] of Object.entries(set)) {
    const [place, key] = placeOf(document, dotted);
    place[key] = value;
  }
  for (const dotted of remove) {
    const [place, key] = placeOf(document, dotted);
    delete place[key];
  }
  return document;
}

/** Keys with a problem, by severity. What cannot be read has one problem; a place inside a list counts as the list. */
async function judge(one: Case): Promise<{ errors: string[]; warnings: string[] }> {
  await writeFile(join(directory, "config.json"), JSON.stringify(documentOf(one)));
  const ids = new Map(Object.entries({ ...golden.tokenizer, ...one.tokenizer }));
  const tokens = new Map([...ids].map(([token, id]) => [id, token]));
  const tokenizer = { idOf: (token: string) => ids.get(token), tokenOf: (id: number) => tokens.get(id) };
  const target = { ...config, ...golden.target, ...one.target } as TargetConfig;
  try {
    const problems = draftProblems(await readDraftConfig(directory), target, tokenizer);
    const fieldsOf = (wanted: string): string[] =>
      [...new Set(problems.filter(({ severity }) => severity === wanted).map(({ field }) => field))].sort();
    return { errors: fieldsOf("error"), warnings: fieldsOf("warning") };
  } catch (error) {
    if (!isDraftsmithError(error) || error.code !== "MODEL_INVALID") throw error;
    return { errors: [error.location?.field?.replace(/(\.\d+)+$/, "") ?? ""], warnings: [] };
  }
}

describe("a draft's config.json", () => {
  it.each(golden.cases)("$name", async (one) => {
    expect(await judge(one)).toEqual({ errors: one.errors, warnings: one.warnings });
  });

  it("names only architectures that the trainer can build", () => {
    expect(DRAFT_ARCHITECTURES).toEqual(golden.architectures);
  });
});
