/** Options of `format: log`: what production's client and server did, as far as rows do not say it themselves. */
import { z } from "zod";
import { chatTemplateKwargsSchema, HISTORY_WORDS, historySchema, thinkingSchema } from "../../../dialogue/index.js";

export const logSchema = z.strictObject({
  history: historySchema.default("all").describe(`${HISTORY_WORDS}; requests that carry more are rejected`),
  thinking: thinkingSchema
    .default("default")
    .describe("the template argument enable_thinking that requests carry; requests with another one are rejected"),
  chatTemplateKwargs: chatTemplateKwargsSchema.default({}).describe("further template arguments that they carry"),
  sampled: z
    .enum(["reject", "keep"])
    .default("reject")
    .describe(
      "answers of requests that do not say temperature 0 (or top_k 1): a draft learns from greedy answers, and its accept length is exact for them alone",
    ),
});
export type LogOptions = z.infer<typeof logSchema>;
