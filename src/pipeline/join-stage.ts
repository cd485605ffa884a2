/** A stage that helps a run of another machine: no lock, no output, nothing kept. */
import { rm } from "node:fs/promises";
import { silentSink, withoutSecrets } from "../events/index.js";
import { checkPaths } from "./paths.js";
import type { RunStageRequest } from "./run-stage.js";
import { checkOptions, openAll } from "./stage-request.js";
import { makeTemporary } from "./temporary.js";

/**
 * Takes part in another machine's run, where the options ask for that (`nodeRank` of train); false, and nothing done,
 * where they do not.
 * @throws what `runStage` throws for options and inputs, and what the stage throws
 */
export async function joinStage(request: RunStageRequest): Promise<boolean> {
  const { stage, limit, cwd = process.cwd() } = request;
  const events = withoutSecrets(request.events ?? silentSink);
  const options = checkOptions(stage, request.options, cwd);
  if (stage.joins?.(options) !== true) return false;
  await checkPaths(stage, options);
  const inputs = await openAll(stage, request.inputs, cwd);
  const [workDir, resumeDir] = [await makeTemporary(stage.name), await makeTemporary(stage.name)];
  const message = "takes part in a run of several machines; the first one tells of it and writes the output";
  events.emit({ type: "log", level: "info", step: stage.name, message });
  try {
    const signal = request.signal ?? new AbortController().signal;
    await stage.run(options, inputs, { step: stage.name, events, signal, workDir, resumeDir, limit });
  } finally {
    for (const directory of [workDir, resumeDir]) await rm(directory, { recursive: true, force: true });
  }
  return true;
}
