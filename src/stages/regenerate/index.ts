import {
  statesHistory,
  statesImageSizes,
  statesRowLength,
  statesSystemPrompt,
  statesTarget,
  statesTemplateArguments,
} from "../shared-settings.js";
import { DIALOGUES, defineStage } from "../stage.js";
import { estimate } from "./estimate/estimate.js";
import { NEUTRAL_OPTIONS, regenerateOptionsSchema } from "./options.js";
import { runReport } from "./report/run-report.js";
import { runRegenerate } from "./run.js";

export const stage = defineStage({
  name: "regenerate",
  summary: "Asks the target every assistant turn again and keeps its answers with their exact token ids.",
  options: regenerateOptionsSchema,
  inputs: {
    dialogues: { kind: DIALOGUES, description: "the dialogues whose assistant turns are asked" },
    earlier: {
      kind: "generations",
      optional: true,
      description:
        "a finished output: its answers to dialogues that are unchanged are taken over, failed ones are asked again",
    },
  },
  output: "generations",
  codeVersion: 1,
  fileOptions: { model: "directory", serversFile: "file", onlyIdsFile: "file", redoFrom: "file" },
  neutralOptions: NEUTRAL_OPTIONS,
  reportFiles: runReport,
  states: ({ systemPrompt, history, thinking, chatTemplateKwargs, model, tokenLimits }) => [
    statesSystemPrompt(systemPrompt),
    statesHistory(history),
    statesTemplateArguments({ thinking, chatTemplateKwargs }),
    ...(model === undefined ? [] : [statesTarget(model), statesImageSizes(model)]),
    ...(tokenLimits.dialogue === undefined ? [] : [statesRowLength(tokenLimits.dialogue, "tokenLimits.dialogue")]),
  ],
  unrelatedInputs: ({ onConflict }) => (onConflict === "restart" ? ["earlier"] : []),
  estimate,
  run: runRegenerate,
});
