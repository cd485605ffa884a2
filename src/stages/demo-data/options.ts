import { z } from "zod";

export const demoDataOptionsSchema = z.strictObject({
  dialogues: z.number().int().positive().default(1000).describe("how many dialogues to draw"),
  seed: z.number().int().nonnegative().default(1).describe("seed of the drawing; equal seeds give equal bytes"),
  badRows: z
    .boolean()
    .default(false)
    .describe("add a handful of broken dialogues, to see that each is rejected with its reason and counted"),
  answerForm: z
    .enum(["reason-json", "call", "json", "none"])
    .default("reason-json")
    .describe(
      "form of answer that the dialogues ask for by their system prompt: reason-json (a sentence, then a JSON action), call, json, or none (no system prompt, prose)",
    ),
});
export type DemoDataOptions = z.infer<typeof demoDataOptionsSchema>;
