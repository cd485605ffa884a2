import { defineStage } from "../stage.js";
import { demoDataOptionsSchema } from "./options.js";
import { runDemoData } from "./run.js";

export const stage = defineStage({
  name: "demo-data",
  summary: "draws screenshots and dialogues of the embedded target's task, as raw data to try the pipeline on",
  options: demoDataOptionsSchema,
  inputs: {},
  output: "raw",
  codeVersion: 1,
  renamedOptions: { systemPrompt: "answerForm" },
  run: (options, _inputs, context) => runDemoData(options, context),
});
