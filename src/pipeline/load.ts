/** Loads a pipeline file: parsed, overridden and validated, references not resolved yet. */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { DraftsmithError, defined, fromErrno, isJsonObject, parseKeepingLiterals } from "../base/index.js";
import { explainIssues, type Issue } from "./issues.js";
import { applyOverrides } from "./overrides.js";
import { type PipelineFile, pipelineSchema } from "./schema.js";
import { type Path, Source } from "./source.js";

export interface LoadedPipeline {
  file: string;
  source: Source;
  content: PipelineFile;
}

/** @throws DraftsmithError INPUT_MISSING, PIPELINE_INVALID; USAGE for an assignment that cannot be made. */
export async function loadPipeline(file: string, set: readonly string[], cwd: string): Promise<LoadedPipeline> {
  const path = resolve(cwd, file);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw fromErrno(error, file);
  }
  // The file as it was typed: that is what editors and terminals turn into a link.
  const source = new Source(file, text);
  if (!isJsonObject(source.value)) {
    throw source.error({ message: "a pipeline file is a map with at least name and steps", path: [] });
  }
  const value = applyOverrides(source, set, cwd);
  const parsed = parseKeepingLiterals(pipelineSchema, value);
  if (!parsed.success) throw issuesError(source, [], explainIssues(parsed.error, pipelineSchema));
  return { file: path, source, content: parsed.data };
}

/** One error for all issues below a path: the first in full, the others as lines after its frame. */
export function issuesError(source: Source, prefix: Path, issues: readonly Issue[]): DraftsmithError {
  const errors = issues.map((issue) => source.error({ ...issue, path: [...prefix, ...issue.path] }));
  const [first, ...others] = errors;
  if (first === undefined) throw new Error("an error without issues");
  if (others.length === 0) return first;
  const also = others.map(({ location, message }) => {
    const place = [location?.file, location?.line, location?.column].filter((part) => part !== undefined).join(":");
    return `also at ${place === "" ? location?.field : place}: ${message}`;
  });
  return new DraftsmithError(first.code, first.message, {
    ...defined({ location: first.location, hint: first.hint }),
    frame: [first.frame, ...also].filter((part) => part !== undefined).join("\n"),
  });
}
