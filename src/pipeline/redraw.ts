/** Pages of a finished run, drawn again from the figures that it left. */
import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { DraftsmithError, isJsonObject } from "../base/index.js";
import { readFigures, redrawReport } from "../report/index.js";
import type { StageRegistry } from "./plan-types.js";
import { allStages } from "./stage-registry.js";

/**
 * @param path - a file of figures, or the directory with its report.json
 * @returns the paths of the pages, which lie beside it
 * @throws DraftsmithError INPUT_MISSING, INPUT_INVALID
 */
export async function redraw(path: string, cwd: string, stages: StageRegistry = allStages): Promise<string[]> {
  const given = resolve(cwd, path);
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
      hint: "name the report.json that regenerate or validate wrote, or its directory",
    },
  );
}
