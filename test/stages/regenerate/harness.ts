/** Small dialogues artifacts, and the stage run on them as the pipeline would. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { deflateSync } from "node:zlib";
import type { Manifest, ManifestDraft } from "../../../src/artifacts/manifest.js";
import { DraftsmithError, parseJson, sha256, stringifyJson } from "../../../src/base/index.js";
import { type Dialogue, type Generation, generationSchema, type Message } from "../../../src/dialogue/index.js";
import type { DraftsmithEvent } from "../../../src/events/index.js";
import { stage } from "../../../src/stages/regenerate/index.js";
import type { RegenerateOptions } from "../../../src/stages/regenerate/options.js";
import type { InputArtifact } from "../../../src/stages/stage.js";
import { stage as validate } from "../../../src/stages/validate/index.js";
import type { ReportData } from "../../../src/stages/validate/report/data.js";
import { scratchDirectory } from "../../scratch/scratch.js";

export interface Picture {
  hash: string;
  width: number;
  height: number;
  png: Buffer;
}

/** Not a real PNG: the stub does not look inside, and the stage must not either. */
export function fakePicture(seed: number): Picture {
  const png = Buffer.concat([Buffer.from("PNG"), deflateSync(Buffer.from(`picture ${seed}`.repeat(20)))]);
  return { hash: sha256(png), width: 64, height: 64, png };
}

/** The beginning of a PNG, which tells its size; nothing on the way looks further. */
export function sizedPicture(width: number, height: number): Picture {
  const png = Buffer.alloc(200, width % 251);
  png.set([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13, 0x49, 0x48, 0x44, 0x52]);
  png.writeUInt32BE(width, 16);
  png.writeUInt32BE(height, 20);
  return { hash: sha256(png), width, height, png };
}

/** Bytes of every kind, the same each time. */
export function largePicture(bytes: number): Picture {
  const png = Buffer.alloc(bytes);
  for (let k = 0; k < bytes; k += 1) png[k] = (k * k) >> 3;
  return { hash: sha256(png), width: 64, height: 64, png };
}

/** Dialogue `k`: 1 to 3 turns, with a picture in the turns that its number chooses, some with a system prompt. */
export function dialogue(k: number, pictures: readonly Picture[]): Dialogue {
  const messages: Message[] = [];
  if (k % 3 === 0) messages.push({ role: "system", content: [{ type: "text", text: "You act on screens." }] });
  const turns = 1 + (k % 3);
  for (let turn = 0; turn < turns; turn += 1) {
    const content: Message["content"] = [{ type: "text", text: `Dialogue ${k}, turn ${turn}: what now? é` }];
    const picture = pictures[(k + turn) % Math.max(1, pictures.length)];
    if (picture !== undefined && (k + turn) % 2 === 0) {
      const { hash, width, height } = picture;
      content.unshift({ type: "image", hash, width, height });
    }
    messages.push({ role: "user", content });
    messages.push({ role: "assistant", content: [{ type: "text", text: "recorded answer" }] });
  }
  return { id: `d${k}`, source: { file: "raw.jsonl", line: k + 1 }, messages, tags: { kind: k % 2 === 0 ? "a" : "b" } };
}

export function dialogues(count: number, pictures: readonly Picture[] = [fakePicture(1), fakePicture(2)]): Dialogue[] {
  return Array.from({ length: count }, (_, k) => dialogue(k, pictures));
}

export async function temporaryDirectory(): Promise<string> {
  return scratchDirectory("regenerate");
}

export async function writeArtifact(
  root: string,
  rows: readonly Dialogue[],
  pictures: readonly Picture[] = [fakePicture(1), fakePicture(2)],
): Promise<InputArtifact> {
  await mkdir(root, { recursive: true });
  await writeFile(join(root, "dialogues.jsonl"), rows.map((row) => `${stringifyJson(row)}\n`).join(""));
  for (const { hash, png } of pictures) {
    const path = join(root, "images", hash.slice(0, 2), `${hash}.png`);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, png);
  }
  return { path: root, manifest: manifestOf(rows.length) };
}

export function manifestOf(kept: number): Manifest {
  return {
    kind: "dialogues",
    schemaVersion: 1,
    producer: { stage: "import", version: "0", options: {} },
    inputs: {},
    files: [],
    counts: { read: kept, kept, rejected: {} },
    facts: {},
    digest: "0".repeat(64),
  };
}

/** A finished run's output as an input of another one. */
export function generationsOf(directory: string, { draft }: Pick<RunResult, "draft">): InputArtifact {
  const kept = Number(draft.counts.kept);
  return { path: directory, manifest: { ...manifestOf(kept), kind: "generations", facts: draft.facts } };
}

/** Validates generations against a model directory. @returns the figures of its report, and their file */
export async function validateGenerations(
  model: string,
  generations: InputArtifact,
): Promise<ReportData & { file: string }> {
  const directory = await temporaryDirectory();
  const options = validate.options.parse({ model, keepGoing: true, maxShown: 1 });
  const context = {
    step: "validate",
    events: { emit: () => undefined },
    signal: new AbortController().signal,
    workDir: directory,
    resumeDir: directory,
    limit: undefined,
  };
  const inputs = { dialogues: undefined, generations, rows: undefined, shards: undefined };
  await validate.run(options, inputs, context).catch((error: unknown) => {
    if (!(error instanceof DraftsmithError) || error.code !== "VALIDATION_FAILED") throw error;
  });
  const file = join(directory, "report.json");
  return { ...(JSON.parse(await readFile(file, "utf8")) as ReportData), file };
}

export interface RunRequest {
  input: InputArtifact;
  options: Partial<RegenerateOptions>;
  /** A finished output whose answers are taken over. */
  earlier?: InputArtifact;
  otherResumeDirs?: string[];
  reportDir?: string;
  /** Fresh ones by default. */
  workDir?: string;
  resumeDir?: string;
  signal?: AbortSignal;
  limit?: number;
}

export interface RunResult {
  draft: ManifestDraft;
  events: DraftsmithEvent[];
  /** The bytes of the two files. */
  generations: string;
  rejected: string;
  rows: Generation[];
}

export async function runStage(request: RunRequest): Promise<RunResult> {
  const workDir = request.workDir ?? (await temporaryDirectory());
  const resumeDir = request.resumeDir ?? (await temporaryDirectory());
  const events: DraftsmithEvent[] = [];
  const draft = await stage.run(
    stage.options.parse(request.options),
    { dialogues: request.input, earlier: request.earlier },
    {
      step: "regenerate",
      events: { emit: (event) => events.push(event) },
      signal: request.signal ?? new AbortController().signal,
      workDir,
      resumeDir,
      limit: request.limit,
      reportDir: request.reportDir,
      ...(request.otherResumeDirs === undefined ? {} : { otherResumeDirs: request.otherResumeDirs }),
    },
  );
  const generations = await readFile(join(workDir, "generations.jsonl"), "utf8");
  const rejected = await readFile(join(workDir, "rejected.jsonl"), "utf8");
  const rows = lines(generations).map((line) => generationSchema.parse(line));
  return { draft, events, generations, rejected, rows };
}

export function lines(text: string): unknown[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => parseJson(line));
}
