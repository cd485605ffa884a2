/** Refuses data, server, model and draft that disagree before any GPU time is spent. */
import { statesHistory, statesSystemPrompt, statesTarget, statesTemplateArguments } from "../shared-settings.js";
import { DIALOGUES, defineStage, GENERATIONS } from "../stage.js";
import { estimate } from "./estimate.js";
import { type ValidateOptions, validateOptionsSchema } from "./options.js";
import { REPORT_TEXT, validateReport } from "./report/index.js";
import { runValidate, type ValidateInputs } from "./run.js";

export { type ValidateOptions, validateOptionsSchema } from "./options.js";

export const stage = defineStage<ValidateOptions, keyof ValidateInputs>({
  name: "validate",
  summary:
    "compares every prompt, mask and fingerprint between data, model directory, server and draft, and stops where they differ",
  options: validateOptionsSchema,
  inputs: {
    dialogues: {
      kind: DIALOGUES,
      optional: true,
      description: "dialogues, checked for system prompt and rendering; holds the images for a live server",
    },
    generations: {
      kind: GENERATIONS,
      optional: true,
      description: "generations, whose prompts are rendered again and compared",
    },
    rows: { kind: "rows", optional: true, description: "rows, compared with the generations where both are given" },
    shards: { kind: "shards", optional: true, description: "shards: rows and the split" },
  },
  output: "validation",
  report: REPORT_TEXT,
  reportFiles: validateReport,
  codeVersion: 6,
  fileOptions: { model: "directory", draft: "directory", dialogues: "any", imageRoots: "directory" },
  neutralOptions: ["apiKeyEnv", "requestTimeoutSeconds", "maxShown"],
  states: ({ model, systemPrompt, history, thinking, chatTemplateKwargs }) => [
    statesTarget(model),
    ...(systemPrompt.policy === "keep" ? [] : [statesSystemPrompt(systemPrompt)]),
    ...(history === undefined ? [] : [statesHistory(history)]),
    ...(thinking === undefined && chatTemplateKwargs === undefined
      ? []
      : [statesTemplateArguments({ thinking, chatTemplateKwargs })]),
  ],
  estimate,
  run: runValidate,
});
