/** Pages of finished runs and stages, drawn again from the figures that they left. */
import { readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { DraftsmithError, isJsonObject } from "../base/index.js";
import { readFigures, redrawReport } from "../report/index.js";
import type { StageRegistry } from "./plan-types.js";
import { findRun, reportOf } from "./run-report/index.js";
import { allStages } from "./stage-registry.js";

/**
 * @param path - a run, a workspace, a file of figures, or the directory with its report.json
 * @returns the paths of the pages, which lie beside the figures
 * @throws DraftsmithError INPUT_MISSING, INPUT_INVALID
 */
export async function redraw(path: string, cwd: string, stages: StageRegistry = allStages): Promise<string[]> {
  const given = resolve(cwd, path);
  const run = await runAt(given);
  if (run !== undefined) return [await reportOf(run, stages)];
  const isDirectory = (await stat(given).catch(() => undefined))?.isDirectory() === true;
  const file = isDirectory ? join(given, "report.json") : given;
  const figures = await readFigures(file);
  const maker = isJsonObject(figures) ? figures.stage : undefined;
  const report =
    typeof maker === "string" && stages.names.includes(maker) ? (await stages.load(maker)).reportFiles : undefined;
  if (report !== undefined) return redrawReport(report, file);
  throw new DraftsmithError(
    "INPUT_INVALID",
    "these are not the figures of a report: no field `stage` names who made them",
    {
      location: { file, field: "stage" },
      hint: "name a run, a workspace, or the figures that a stage wrote (report.json, training.json, evaluation.json)",
    },
  );
}

/** The record of the run at a path, or of the last run in a workspace. */
async function runAt(path: string): Promise<string | undefined> {
  const names = await readdir(path).catch((): string[] => []);
  return names.includes("run.json") || names.includes("history") ? findRun(path) : undefined;
}
