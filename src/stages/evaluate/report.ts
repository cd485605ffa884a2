/** evaluation.json: what the trainer measured, what the server with the draft reported, and what follows from both. */
import { z } from "zod";
import { latenciesSchema, predictionSchema, setupSchema } from "./break-even.js";
import { draftSchema, intervalSchema, pairSchema } from "./draft-figures.js";

const count = z.number().int().nonnegative();

const comparisonSchema = z.looseObject({
  responses: count,
  steps: count,
  differingSteps: count.describe("steps in which the real loop and the offline walk accepted different numbers"),
  equalOutputs: count.describe("responses that came out as the target's greedy ones"),
});

export const servedSchema = z.strictObject({
  answers: count,
  steps: count.describe("verification steps over all answers"),
  correctDrafts: count,
  tokens: count.describe("of the answers without the first one, which comes from the prefill"),
  pooledAcceptLength: z
    .number()
    .describe("1 + correct drafts / steps: what servers report, drafts after the stop token included"),
  tokensPerStep: z.number().describe("exactly comparable with an offline walk that ends at the stop token"),
  identical: count.describe("answers whose ids equal the target's greedy ids, all of them"),
  differences: z
    .array(
      z.strictObject({
        dialogueId: z.string(),
        turn: count,
        at: count.describe("index in the response of the first id that differs"),
        expected: z.number().int().nullable(),
        got: z.number().int().nullable(),
      }),
    )
    .describe("the first ones"),
  rowsWithVideos: count.describe("rows that were not asked about"),
});
export type ServedReport = z.infer<typeof servedSchema>;

export const trafficSchema = z.strictObject({
  split: z
    .enum(["heldout", "train"])
    .describe("which rows of the traffic's shards: the held-out ones if there are any"),
  rows: z.looseObject({ read: count, kept: count, rejected: z.record(z.string(), count) }),
  responses: count,
  pooledAcceptLength: z.number().describe("of the trained draft, as on held-out rows"),
  interval: intervalSchema,
  tokensPerStep: z.number(),
  aboveBreakEven: z.boolean(),
  difference: z.number().describe("pooled accept length on the traffic less that on held-out rows"),
  differenceInterval: intervalSchema,
});
export type TrafficReport = z.infer<typeof trafficSchema>;

export const evaluationSchema = z.looseObject({
  schemaVersion: z.literal(1),
  split: z.enum(["heldout", "train"]),
  rows: z.looseObject({ read: count, kept: count, rejected: z.record(z.string(), count) }),
  breakEven: z.number().describe("accept length below which speculation does not pay"),
  drafts: z.record(z.string(), draftSchema),
  paired: z.array(pairSchema).describe("every two drafts"),
  latencies: z.array(latenciesSchema).describe("drafts whose latencies were measured"),
  setups: z.record(z.string(), setupSchema).describe("what each draft is, and what it was trained on"),
  predictions: z.array(predictionSchema).describe("by draft and concurrency, from latencies and accept lengths"),
  rowsWithVideos: count,
  comparison: z.record(z.string(), comparisonSchema),
  served: servedSchema.nullable().describe("null: no server was named"),
  traffic: trafficSchema
    .nullable()
    .default(null)
    .describe("null: no traffic was given; traffic/evaluation.json has all its figures"),
});
export type EvaluationData = z.infer<typeof evaluationSchema>;
