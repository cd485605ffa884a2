import { statesDraft, statesRowLength, statesTarget } from "../shared-settings.js";
import { defineStage } from "../stage.js";
import { estimate } from "./estimate.js";
import { trainOptionsSchema } from "./options.js";
import { trainingReport } from "./report.js";
import { runTrain } from "./run.js";

export const stage = defineStage({
  name: "train",
  summary: "trains a DFlash draft on shards against the frozen target, on CPU or CUDA, under torchrun if asked",
  options: trainOptionsSchema,
  inputs: {
    shards: { kind: "shards", description: "training and held-out rows with their images" },
    validation: { kind: "validation", optional: true, description: "the verdict that the data must have passed first" },
  },
  output: "checkpoints",
  codeVersion: 1,
  reportFiles: trainingReport,
  fileOptions: { model: "directory", initFrom: "directory", "draft.config": "file" },
  neutralOptions: [
    "checkpointEvery",
    "stateCacheMb",
    "packTokens",
    "draftTokens",
    "slowRecurrence",
    "shardTarget",
    "nodeRank",
    "rendezvous",
    "reportTo",
    "onConflict",
    "maxSkipped",
    "maxSkippedInARow",
  ],
  continuedOptions: [
    "maxMinutes",
    "device",
    "attention",
    "threads",
    "processes",
    "nodes",
    "batchSize",
    "accumulate",
    "keepLast",
    "keepEvery",
    "earlyStopPatience",
    "earlyStopGain",
  ],
  joins: ({ nodeRank }) => nodeRank > 0,
  states: ({ model, maxLength, draft }) => [statesTarget(model), statesRowLength(maxLength), statesDraft(draft)],
  estimate,
  run: (options, inputs, context) =>
    runTrain(options, { shards: inputs.shards!, validation: inputs.validation }, context),
});
