/** `draftsmith STAGE --dry-run`: checks options and inputs and says what the stage would cost; starts and writes nothing. */
import type { RunStageRequest } from "./run-stage.js";
import { checkOptions, openAll } from "./stage-request.js";

/**
 * The stage's estimate. Inputs that are not named count as not made yet.
 * @throws DraftsmithError OPTIONS_INVALID, INPUT_MISSING, ARTIFACT_INVALID, and what the stage's estimate throws
 */
export async function dryRunStage(
  request: Pick<RunStageRequest, "stage" | "options" | "inputs" | "limit" | "cwd">,
): Promise<string[]> {
  const { stage, limit, cwd = process.cwd() } = request;
  const options = checkOptions(stage, request.options, cwd);
  const inputs = await openAll(stage, request.inputs, cwd, true);
  const lines = (await stage.estimate?.(options, inputs, limit))?.lines ?? [];
  return lines.length > 0 ? lines : ["options and inputs are in order; there is no estimate"];
}
