/** A directory with pictures and rows, and a way to run the stage as the pipeline does. */
import { mkdir, mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { parseJson, sha256 } from "../../../src/base/index.js";
import type { Dialogue } from "../../../src/dialogue/index.js";
import { type DraftsmithEvent, silentSink } from "../../../src/events/index.js";
import { importOptionsSchema } from "../../../src/stages/import/options.js";
import { runImport } from "../../../src/stages/import/run.js";
import { scratchDirectory } from "../../scratch/scratch.js";

export interface World {
  top: string;
  images: string;
  source: string;
}

export async function makeWorld(): Promise<World> {
  const top = scratchDirectory("import");
  const images = join(top, "images");
  await mkdir(images);
  return { top, images, source: join(top, "rows.jsonl") };
}

/** A picture whose pixels follow from `seed`. */
export async function picture(path: string, seed: number, width = 64, height = 48): Promise<void> {
  const pixels = Buffer.alloc(width * height * 3);
  for (let at = 0; at < pixels.length; at += 1) pixels[at] = (at * (seed + 3) + (at >> 7)) & 255;
  const file = sharp(pixels, { raw: { width, height, channels: 3 } }).png({ compressionLevel: 1 });
  await writeFile(path, await file.toBuffer());
}

export function writeRows(world: World, rows: unknown[]): Promise<void> {
  return writeFile(
    world.source,
    rows.map((row) => `${typeof row === "string" ? row : JSON.stringify(row)}\n`).join(""),
  );
}

export const row = (id: string, image: string, text = "what is this?") => ({
  id,
  messages: [
    {
      role: "user",
      content: [
        { type: "image_url", image_url: { url: image } },
        { type: "text", text },
      ],
    },
    { role: "assistant", content: "a picture" },
  ],
});

export interface Run {
  counts: Record<string, unknown>;
  facts: Record<string, unknown>;
  dialogues: Dialogue[];
  rejected: { id: string | null; source: object; reason: string; message: string }[];
  /** sha256 of every file of the artifact. */
  files: Record<string, string>;
  events: DraftsmithEvent[];
  workDir: string;
}

export interface RunOptions {
  limit?: number;
  resumeDir?: string;
  signal?: AbortSignal;
}

export async function runStage(world: World, options: object, more: RunOptions = {}): Promise<Run> {
  const workDir = await mkdtemp(join(world.top, "work-"));
  const resumeDir = more.resumeDir ?? (await mkdtemp(join(world.top, "resume-")));
  const events: DraftsmithEvent[] = [];
  const parsed = importOptionsSchema.parse({ source: [world.source], imageRoots: [world.images], ...options });
  const draft = await runImport(parsed, {
    step: "import",
    events: { ...silentSink, emit: (event) => events.push(event) },
    signal: more.signal ?? new AbortController().signal,
    workDir,
    resumeDir,
    limit: more.limit,
  });
  const lines = async (name: string) =>
    (await readFile(join(workDir, name), "utf8"))
      .split("\n")
      .filter((line) => line !== "")
      .map((line): unknown => parseJson(line));
  return {
    ...draft,
    dialogues: (await lines("dialogues.jsonl")) as Dialogue[],
    rejected: (await lines("rejected.jsonl")) as Run["rejected"],
    files: await filesOf(workDir),
    events,
    workDir,
  };
}

export async function filesOf(directory: string): Promise<Record<string, string>> {
  const names = (await readdir(directory, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const paths = names.map((entry) => join(entry.parentPath, entry.name)).sort();
  return Object.fromEntries(
    await Promise.all(paths.map(async (path) => [path.slice(directory.length + 1), sha256(await readFile(path))])),
  ) as Record<string, string>;
}
