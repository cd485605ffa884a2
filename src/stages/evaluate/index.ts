import { statesRowLength, statesTarget } from "../shared-settings.js";
import { defineStage } from "../stage.js";
import { evaluateOptionsSchema } from "./options.js";
import { evaluationReport } from "./report-files.js";
import { runEvaluate } from "./run.js";

export const stage = defineStage({
  name: "evaluate",
  summary: "measures the accept length of a draft offline, in a real loop and, if a server is named, as served",
  options: evaluateOptionsSchema,
  inputs: {
    shards: { kind: "shards", description: "held-out rows and their images" },
    draft: { kind: "draft", optional: true, description: "the exported draft; else the best checkpoint is measured" },
    checkpoints: {
      kind: "checkpoints",
      optional: true,
      description: "for the untrained draft, the best checkpoint, and the number of training rows",
    },
    traffic: {
      kind: "shards",
      optional: true,
      description:
        "shards of production's own requests, as import with format log reads them: compared with held-out rows",
    },
    other: { kind: ["draft", "checkpoints"], optional: true, description: "another draft, compared on the same rows" },
  },
  output: "evaluation",
  codeVersion: 1,
  fileOptions: { model: "directory", engineLatencies: "file" },
  reportFiles: evaluationReport,
  neutralOptions: [
    "apiKeyEnv",
    "serverConcurrency",
    "requestTimeoutSeconds",
    "batchBlocks",
    "packTokens",
    "slowRecurrence",
  ],
  states: ({ model, maxLength }) => [statesTarget(model), statesRowLength(maxLength)],
  run: (options, inputs, context) => runEvaluate(options, { ...inputs, shards: inputs.shards! }, context),
});
