import { z } from "zod";

export const demoDataOptionsSchema = z.strictObject({
  dialogues: z.number().int().positive().default(1000).describe("how many dialogues to draw"),
  seed: z.number().int().nonnegative().default(1).describe("seed of the drawing; equal seeds give equal bytes"),
  badRows: z
    .boolean()
    .default(false)
    .describe("add a handful of broken dialogues, to see that each is rejected with its reason and counted"),
  systemPrompt: z
    .string()
    .optional()
    .describe("name of the system prompt to write into the dialogues; default: reasoning, then a JSON action"),
});
export type DemoDataOptions = z.infer<typeof demoDataOptionsSchema>;
