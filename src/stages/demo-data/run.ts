import type { ManifestDraft } from "../../artifacts/index.js";
import { runJob } from "../../trainer-process/index.js";
import type { StageContext } from "../stage.js";
import type { DemoDataOptions } from "./options.js";

/**
 * Draws screenshots and dialogues for the task of the embedded target: raw data as a user would bring it, with answers
 * worded differently from the target's, so that regeneration has work to do.
 */
export async function runDemoData(options: DemoDataOptions, context: StageContext): Promise<ManifestDraft> {
  const dialogues = Math.min(options.dialogues, context.limit ?? options.dialogues);
  const result = await runJob({
    job: "demo-data",
    args: [
      ...["--out", context.workDir, "--dialogues", String(dialogues), "--seed", String(options.seed)],
      ...(options.badRows ? ["--bad-rows"] : []),
      ...["--system-prompt", options.answerForm],
    ],
    step: context.step,
    events: context.events,
    signal: context.signal,
  });
  const { type: _type, ...counts } = result;
  return { counts: { kept: dialogues, ...counts }, facts: { task: "tiny-gui", seed: options.seed } };
}
