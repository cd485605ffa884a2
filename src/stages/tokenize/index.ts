/** From generations (or fixed dialogues) to training rows. */
import {
  statesImageSizes,
  statesRowLength,
  statesSystemPrompt,
  statesTarget,
  statesTemplateArguments,
} from "../shared-settings.js";
import { defineStage } from "../stage.js";
import { declaresTemplateArguments, given } from "./declared.js";
import { estimate } from "./estimate.js";
import { type TokenizeOptions, tokenizeOptionsSchema } from "./options.js";
import { runTokenize, type TokenizeInputs } from "./run.js";

export { type TokenizeOptions, tokenizeOptionsSchema } from "./options.js";

export const stage = defineStage<TokenizeOptions, keyof TokenizeInputs>({
  name: "tokenize",
  summary: "turns what the target said into training rows: ids, loss mask, token types, image grids, all checked",
  options: tokenizeOptionsSchema,
  inputs: {
    generations: {
      kind: "generations",
      optional: true,
      description: "what the target said, with its ids (source ids)",
    },
    dialogues: {
      kind: "dialogues",
      optional: true,
      description: "dialogues as they are (source fixed); with their screenshots, to find near-duplicates",
    },
  },
  output: "rows",
  codeVersion: 3,
  fileOptions: { model: "directory" },
  neutralOptions: ["threads"],
  estimate: ({ source }, { generations, dialogues }) => estimate(source, generations ?? dialogues),
  states: (options) => {
    const { model, maxLength, source, systemPrompt } = options;
    const makes = source === "fixed";
    return [
      statesTarget(model),
      statesImageSizes(model),
      statesRowLength(maxLength),
      ...(makes || systemPrompt.policy !== "keep" ? [statesSystemPrompt(systemPrompt)] : []),
      ...(makes ? [statesTemplateArguments(options)] : []),
      ...(!makes && declaresTemplateArguments(options) ? [statesTemplateArguments(given(options))] : []),
    ];
  },
  run: runTokenize,
});
