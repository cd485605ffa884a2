import { statesHistory, statesResizing, statesTarget, statesTemplateArguments } from "../shared-settings.js";
import { defineStage } from "../stage.js";
import { estimate } from "./estimate.js";
import { importOptionsSchema } from "./options.js";
import { runImport } from "./run.js";

export const stage = defineStage({
  name: "import",
  summary: "reads dialogues in the forms people have, checks them, and stores every image once in canonical form",
  options: importOptionsSchema,
  inputs: {},
  output: "dialogues",
  outputOf: ({ format }) => (format === "log" ? "traffic" : "dialogues"),
  codeVersion: 4,
  fileOptions: { source: "file", imageRoots: "directory", model: "directory" },
  neutralOptions: ["concurrency"],
  states: ({ model, resize, factor, minPixels, maxPixels, format, log }) => [
    ...(format === "log" ? [statesHistory(log.history, "log.history"), statesTemplateArguments(log, "log.")] : []),
    ...(model === undefined ? [] : [statesTarget(model)]),
    ...(resize === "none" || factor === undefined || minPixels === undefined || maxPixels === undefined
      ? []
      : [statesResizing({ factor, minPixels, maxPixels })]),
  ],
  estimate: (options, _inputs, limit, expected) => estimate(options, limit, expected),
  run: (options, _inputs, context) => runImport(options, context),
});
