import { defineStage } from "../stage.js";
import { mergeOptionsSchema } from "./options.js";
import { runMerge } from "./run.js";

export const stage = defineStage({
  name: "merge",
  summary: "Puts the parts of a regenerate run on several machines together, and checks that nothing is missing.",
  options: mergeOptionsSchema,
  inputs: { dialogues: { kind: "dialogues", description: "the dialogues that all parts were made from" } },
  output: "generations",
  codeVersion: 1,
  fileOptions: { parts: "directory" },
  run: runMerge,
});
