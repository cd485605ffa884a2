/** The report of a run: collected from what its stages wrote, drawn from that alone. */
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fromErrno, stringifyJson } from "../../base/index.js";
import { readFiguresAs } from "../../report/index.js";
import type { StageRegistry } from "../plan-types.js";
import { allStages } from "../stage-registry.js";
import { collectRun, findRun } from "./collect.js";
import { comparisonPage } from "./compare.js";
import { type RunReport, runReportSchema } from "./data.js";
import { runPage } from "./page.js";

export { findRun } from "./collect.js";
export { type RunReport, runReportSchema } from "./data.js";

export const RUN_FIGURES = "report.json";
export const RUN_PAGE = "report.html";

/**
 * Writes report.json and report.html into the record of a run.
 *
 * @param directory - the record of a finished run
 * @returns the path of the page
 * @throws DraftsmithError INPUT_MISSING, INPUT_INVALID, DISK_FULL, DISK_FAILED
 */
export async function reportRun(directory: string, stages: StageRegistry): Promise<string> {
  const text = `${stringifyJson(await collectRun(directory, stages), 2)}\n`;
  await write(join(directory, RUN_FIGURES), text);
  return drawRun(directory, stages);
}

/** Draws the page of a run again, from its report.json where it has one. Errors as reportRun. */
export async function reportOf(directory: string, stages: StageRegistry): Promise<string> {
  const isCollected = (await readdir(directory)).includes(RUN_FIGURES);
  return isCollected ? drawRun(directory, stages) : reportRun(directory, stages);
}

async function drawRun(directory: string, stages: StageRegistry): Promise<string> {
  const path = join(directory, RUN_PAGE);
  const data = await readRunReport(directory);
  await write(path, runPage(data, await stepPages(data, stages)));
  return path;
}

/**
 * Writes a page with two runs side by side.
 *
 * @param paths - of runs, or of workspaces
 * @throws DraftsmithError as reportRun
 */
export async function compareRuns(
  paths: readonly [string, string],
  file: string,
  stages: StageRegistry = allStages,
): Promise<string> {
  const runs: RunReport[] = [];
  for (const path of paths) runs.push(await collectRun(await findRun(path), stages));
  await mkdir(join(file, ".."), { recursive: true });
  await write(file, comparisonPage(runs[0]!, runs[1]!));
  return file;
}

/** @throws DraftsmithError INPUT_MISSING, INPUT_INVALID */
function readRunReport(directory: string): Promise<RunReport> {
  const hint =
    "figures of another version of draftsmith may have another shape; name the run itself to collect them again";
  return readFiguresAs(join(directory, RUN_FIGURES), runReportSchema, hint);
}

async function stepPages(data: RunReport, stages: StageRegistry): Promise<Map<string, string>> {
  const pages = new Map<string, string>();
  for (const { name, stage, figures } of data.steps) {
    if (figures === null || figures === undefined || !stages.names.includes(stage)) continue;
    const report = (await stages.load(stage)).reportFiles;
    if (report === undefined || !report.schema.safeParse(figures).success) continue;
    const drawn = Object.entries(report.draw(figures)).find(([file]) => file.endsWith(".html"));
    if (drawn !== undefined) pages.set(name, drawn[1]);
  }
  return pages;
}

async function write(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text);
  } catch (error) {
    throw fromErrno(error, path, { use: "write" });
  }
}
