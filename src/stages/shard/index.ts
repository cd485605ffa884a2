import { DIALOGUES, defineStage } from "../stage.js";
import { estimate } from "./estimate.js";
import { shardOptionsSchema } from "./options.js";
import { runShard } from "./run.js";

export const stage = defineStage({
  name: "shard",
  summary: "splits rows by dialogue and screenshot, shuffles them once, and packs them with their images for training",
  options: shardOptionsSchema,
  inputs: {
    rows: { kind: "rows", description: "what tokenize wrote" },
    dialogues: { kind: DIALOGUES, description: "what import wrote, for the bytes of the images" },
  },
  output: "shards",
  codeVersion: 3,
  estimate: (_options, inputs, limit, expected) => estimate(inputs, limit, expected),
  run: (options, inputs, context) => runShard(options, { rows: inputs.rows!, dialogues: inputs.dialogues! }, context),
});
