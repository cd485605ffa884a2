/** Gathers what a run and its stages left behind into the figures of one report. */
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { readJsonLines, readManifest } from "../../artifacts/index.js";
import { DraftsmithError, fromErrno, isJsonObject, type JsonObject, type JsonValue } from "../../base/index.js";
import { readFigures, readFiguresAs } from "../../report/index.js";
import type { StageRegistry } from "../plan-types.js";
import { failedDirectory, stepDirectory, workspacePaths } from "../workspace.js";
import type { Rejection, RunReport, StepReport } from "./data.js";

/** Examples of each reason. */
const EXAMPLES = 3;
/** Lines of rejected.jsonl that are searched for examples. */
const LINES_SEARCHED = 100_000;

const jsonObject = z.record(z.string(), z.unknown());
const recordSchema = z.looseObject({
  outcome: z.enum(["done", "failed", "interrupted"]),
  started: z.string(),
  seconds: z.number(),
  steps: z.array(
    z.looseObject({
      name: z.string(),
      stage: z.string(),
      state: z.enum(["done", "cached", "failed", "skipped"]),
      seconds: z.number(),
      digest: z.string().optional(),
      counts: jsonObject.optional(),
      error: z.unknown().optional(),
    }),
  ),
});
type StepRecord = z.infer<typeof recordSchema>["steps"][number];

const resolvedSchema = z.looseObject({
  name: z.string(),
  steps: z.record(
    z.string(),
    z.looseObject({
      with: jsonObject.nullish(),
      after: z.array(z.string()).default([]),
      services: z.array(z.string()).default([]),
    }),
  ),
});

/**
 * The directory of a run's record.
 *
 * @param path - that directory, or a workspace: then its last finished run
 * @throws DraftsmithError INPUT_MISSING, INPUT_INVALID
 */
export async function findRun(path: string): Promise<string> {
  let names: string[];
  try {
    names = await readdir(path);
  } catch (error) {
    throw fromErrno(error, path);
  }
  if (names.includes("run.json")) return path;
  const last = names.includes("history") ? await lastRun(workspacePaths.history(path)) : undefined;
  if (last !== undefined) return last;
  throw new DraftsmithError("INPUT_INVALID", `${path} is neither a run nor a workspace with a finished run`, {
    location: { file: path },
    hint: "name a pipeline's workspace, such as runs/quickstart, or a directory in its history/",
  });
}

/** Names of runs tell seconds apart, not more: the record written last is the last run's. */
async function lastRun(history: string): Promise<string | undefined> {
  let last: { directory: string; time: number } | undefined;
  for (const name of await readdir(history)) {
    const directory = join(history, name);
    const time = (await stat(join(directory, "run.json")).catch(() => undefined))?.mtimeMs;
    if (time !== undefined && (last === undefined || time > last.time)) last = { directory, time };
  }
  return last?.directory;
}

/**
 * @param directory - the record of a finished run, below its workspace
 * @throws DraftsmithError INPUT_MISSING, INPUT_INVALID - a file of the record
 */
export async function collectRun(directory: string, stages: StageRegistry): Promise<RunReport> {
  const record = await read(join(directory, "run.json"), recordSchema);
  const resolved = await read(join(directory, "resolved.json"), resolvedSchema);
  const whys = await reasonsToRun(join(directory, "events.jsonl"));
  const steps: StepReport[] = [];
  for (const step of record.steps) {
    const { services = [], after = [] } = resolved.steps[step.name] ?? {};
    steps.push({
      ...(await outcomeOf(step, directory, stages)),
      why: whys.get(step.name) ?? null,
      after: after.filter((name) => record.steps.some((other) => other.name === name)),
      services,
    });
  }
  return {
    kind: "run",
    schemaVersion: 1,
    pipeline: resolved.name,
    run: basename(directory),
    outcome: record.outcome,
    started: record.started,
    seconds: record.seconds,
    versions: await read(join(directory, "versions.json"), jsonObject),
    settings: Object.fromEntries(record.steps.map(({ name }) => [name, resolved.steps[name]?.with ?? {}])),
    steps,
  };
}

async function outcomeOf(
  step: StepRecord,
  directory: string,
  stages: StageRegistry,
): Promise<Omit<StepReport, "why" | "after" | "services">> {
  const workspace = dirname(dirname(directory));
  const { counts = {} } = step;
  const failed = step.state === "failed";
  const output = failed ? failedDirectory(workspace, step.name) : stepDirectory(workspace, step.name);
  const manifest = failed ? undefined : await readManifest(output).catch(() => undefined);
  const isPresent = failed || (manifest !== undefined && manifest.digest === step.digest);
  return {
    name: step.name,
    stage: step.stage,
    state: step.state,
    seconds: step.seconds,
    unit: typeof counts.unit === "string" ? counts.unit : "rows",
    read: wholeNumber(counts.read),
    kept: wholeNumber(counts.kept),
    rejected: await rejections(counts.rejected, isPresent ? join(output, "rejected.jsonl") : undefined),
    summary: summaryOf(isPresent ? manifest?.facts.summary : undefined),
    error: errorText(step.error),
    figures: await figuresOf(step, directory, isPresent ? output : undefined, stages),
  };
}

/** Figures in the output, or beside the record of the run that made the output. */
async function figuresOf(
  step: StepRecord,
  directory: string,
  output: string | undefined,
  stages: StageRegistry,
): Promise<unknown> {
  if (!stages.names.includes(step.stage) || step.state === "skipped") return null;
  const report = (await stages.load(step.stage)).reportFiles;
  if (report === undefined) return null;
  const places = [join(directory, "reports", step.name)];
  if (output !== undefined) places.push(output);
  if (step.state === "cached") {
    const history = dirname(directory);
    const earlier = (await readdir(history)).filter((name) => name < basename(directory)).sort();
    for (const name of earlier.reverse()) {
      const made = await readFigures(join(history, name, "manifests", `${step.name}.json`)).catch(() => undefined);
      if (isJsonObject(made) && made.digest === step.digest) places.push(join(history, name, "reports", step.name));
    }
  }
  for (const place of places) {
    const figures = await readFigures(join(place, report.file)).catch(() => undefined);
    if (report.schema.safeParse(figures).success) return figures;
  }
  return null;
}

async function rejections(counts: unknown, file: string | undefined): Promise<Rejection[]> {
  const reasons = Object.entries(isJsonObject(counts) ? counts : {}).filter(
    (entry): entry is [string, number] => (wholeNumber(entry[1]) ?? 0) > 0,
  );
  const examples = new Map<string, Rejection["examples"]>(reasons.map(([reason]) => [reason, []]));
  if (file !== undefined && reasons.length > 0) await findExamples(file, examples);
  return reasons
    .sort(([, one], [, other]) => other - one)
    .map(([reason, count]) => ({ reason, count, examples: examples.get(reason) ?? [] }));
}

async function findExamples(file: string, examples: Map<string, Rejection["examples"]>): Promise<void> {
  try {
    for await (const line of readJsonLines(file)) {
      if (line.line > LINES_SEARCHED || [...examples.values()].every((found) => found.length >= EXAMPLES)) return;
      if (!("value" in line) || !isJsonObject(line.value)) continue;
      const found = examples.get(String(line.value.reason));
      if (found !== undefined && found.length < EXAMPLES) found.push(exampleOf(line.value, line.line));
    }
  } catch {
    // A stage without such a file has counts alone.
  }
}

function exampleOf(rejected: JsonObject, line: number): Rejection["examples"][number] {
  const { id, dialogueId, message, detail } = rejected;
  const text = message ?? detail;
  return {
    id: typeof id === "string" ? id : typeof dialogueId === "string" ? dialogueId : `line ${line}`,
    message: typeof text === "string" ? text : "",
  };
}

async function reasonsToRun(events: string): Promise<Map<string, string>> {
  const whys = new Map<string, string>();
  try {
    for await (const line of readJsonLines(events)) {
      if (!("value" in line) || !isJsonObject(line.value)) continue;
      const { type, step, why } = line.value;
      if (typeof step !== "string") continue;
      if (type === "step-cached") whys.set(step, "up to date");
      else if ((type === "step-started" || type === "step-skipped") && typeof why === "string") whys.set(step, why);
    }
  } catch {
    // A record without events still has its results.
  }
  return whys;
}

function summaryOf(told: JsonValue | undefined): StepReport["summary"] {
  return (Array.isArray(told) ? told : [])
    .filter(isJsonObject)
    .map(({ label, value }) => ({ label: String(label), value: String(value) }));
}

function errorText(error: unknown): string | null {
  if (error === undefined) return null;
  return isJsonObject(error) ? `${String(error.code)}: ${String(error.message)}` : String(error);
}

function wholeNumber(value: unknown): number | null {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 ? value : null;
}

function read<Data>(file: string, schema: z.ZodType<Data>): Promise<Data> {
  return readFiguresAs(file, schema, "runs of an earlier version of draftsmith may lack what a report needs");
}
