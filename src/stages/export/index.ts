import { statesTarget } from "../shared-settings.js";
import { defineStage } from "../stage.js";
import { exportOptionsSchema } from "./options.js";
import { runExport } from "./run.js";

export const stage = defineStage({
  name: "export",
  summary: "writes a draft checkpoint as the directory that SGLang and vLLM load, checked against their contract",
  options: exportOptionsSchema,
  inputs: {
    checkpoints: { kind: "checkpoints", description: "what the train stage wrote" },
    evaluation: {
      kind: "evaluation",
      optional: true,
      description: "what evaluate measured of these checkpoints, for the figures of the card",
    },
  },
  output: "draft",
  codeVersion: 2,
  fileOptions: { model: "directory" },
  states: ({ model }) => [statesTarget(model)],
  run: (options, inputs, context) =>
    runExport(options, { checkpoints: inputs.checkpoints!, evaluation: inputs.evaluation }, context),
});
