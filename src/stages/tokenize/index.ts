/** From generations (or fixed dialogues) to training rows. */
import {
  statesHistory,
  statesImageSizes,
  statesRowLength,
  statesSystemPrompt,
  statesTarget,
  statesTemplateArguments,
} from "../shared-settings.js";
import { DIALOGUES, defineStage, GENERATIONS } from "../stage.js";
import { declaresTemplateArguments, given } from "./declared.js";
import { estimate } from "./estimate.js";
import { type TokenizeOptions, tokenizeOptionsSchema } from "./options.js";
import { tokenizeReport } from "./report.js";
import { runTokenize, type TokenizeInputs } from "./run.js";

export { type TokenizeOptions, tokenizeOptionsSchema } from "./options.js";

export const stage = defineStage<TokenizeOptions, keyof TokenizeInputs>({
  name: "tokenize",
  summary: "turns what the target said into training rows: ids, loss mask, token types, image grids, all checked",
  options: tokenizeOptionsSchema,
  inputs: {
    generations: {
      kind: GENERATIONS,
      optional: true,
      description: "what the target said, with its ids (source ids)",
    },
    dialogues: {
      kind: DIALOGUES,
      optional: true,
      description: "dialogues as they are (source fixed); with their screenshots, to find near-duplicates",
    },
  },
  output: "rows",
  codeVersion: 4,
  fileOptions: { model: "directory" },
  neutralOptions: ["threads"],
  reportFiles: tokenizeReport,
  estimate: ({ source }, { generations, dialogues }, limit, expected) =>
    estimate(source, source === "ids" ? generations : dialogues, limit, expected),
  states: (options) => {
    const { model, maxLength, source, systemPrompt, history } = options;
    const makes = source === "fixed";
    return [
      statesTarget(model),
      statesImageSizes(model),
      statesRowLength(maxLength),
      ...(makes || systemPrompt.policy !== "keep" ? [statesSystemPrompt(systemPrompt)] : []),
      ...(makes || history !== undefined ? [statesHistory(history ?? "all")] : []),
      ...(makes ? [statesTemplateArguments(options)] : []),
      ...(!makes && declaresTemplateArguments(options) ? [statesTemplateArguments(given(options))] : []),
    ];
  },
  run: runTokenize,
});
