/** The figures of one draft in evaluation.json, as the trainer computes them. */
import { z } from "zod";

const count = z.number().int().nonnegative();
const share = z.number().nullable().describe("null: nothing to count");
export const intervalSchema = z
  .tuple([z.number(), z.number()])
  .nullable()
  .describe("95 %, percentiles of a bootstrap over dialogues; null: fewer than two dialogues");
export type Interval = z.infer<typeof intervalSchema>;

const summaryFields = {
  responses: count,
  dialogues: count,
  steps: count.describe("verification steps"),
  pooledAcceptLength: z.number().describe("1 + accepted tokens / steps, over all steps"),
  interval: intervalSchema,
  meanAcceptLength: z.number().describe("mean of the responses' own accept lengths"),
  meanInterval: intervalSchema,
};

const dimensionSchema = z.strictObject({
  dimension: z.string().describe("tag KEY, turn, response length, context length (tokens), media (in the context)"),
  groups: z.array(z.strictObject({ name: z.string(), ...summaryFields })),
});

const placeSchema = z.strictObject({
  place: count,
  offered: count.describe("steps whose place lies inside the response"),
  reached: count.describe("of these, steps that accept all places before it"),
  accepted: count,
  loss: share.describe("mean cross-entropy of the right token in nats, over offered places"),
  lossReached: share.describe("the same over reached places"),
  confidence: share.describe("mean probability of the drafted token, over reached places"),
  among: z
    .array(z.strictObject({ candidates: count, share }))
    .describe("how often the right token is among the first so many candidates, over offered places"),
});

const oracleSchema = z.strictObject({
  candidates: count,
  pooledAcceptLength: z
    .number()
    .describe("had the right token been chosen wherever it is among so many candidates: the bound of any reranking"),
  meanAcceptLength: z.number(),
  tokensPerStep: z.number(),
  steps: count,
  rates: z.array(z.number()).describe("accepted / offered at places 1, 2, ..."),
});

const calibrationSchema = z.strictObject({
  predictions: count,
  error: z.number().describe("expected calibration error: mean distance of confidence and frequency"),
  bins: z.array(z.strictObject({ from: z.number(), to: z.number(), count, confidence: share, frequency: share })),
});

export const draftSchema = z.strictObject({
  ...summaryFields,
  blockSize: count,
  tokensPerStep: z.number().describe("as a server counts them: comparable with `served`"),
  anchorAcceptLength: z.number().describe("1 + mean correct prefix over all anchors, visited by the walk or not"),
  correctDrafts: count,
  tokens: count.describe("produced by steps: all of a response but the first"),
  oneTokenResponses: count.describe("need no step, and are left out of all averages"),
  aboveBreakEven: z.boolean(),
  histogram: z.array(count).describe("steps that accepted 0, 1, 2, ... drafted tokens"),
  perPosition: z.array(
    z.strictObject({ place: count, offered: count, reached: count, accepted: count, rate: z.number() }),
  ),
  groups: z.array(dimensionSchema),
  places: z.array(placeSchema).nullable().describe("null: placeFigures was false"),
  oracle: z.array(oracleSchema).nullable(),
  calibration: z
    .strictObject({
      tokens: calibrationSchema.describe("of drafted tokens at reached places"),
      prefixes: calibrationSchema.describe("of whole prefixes: the product of confidences, at offered places"),
      expectedAcceptLength: z.number().describe("what the draft's own confidence predicts for the pooled one"),
    })
    .nullable(),
});
export type DraftFigures = z.infer<typeof draftSchema>;

export const pairSchema = z.strictObject({
  draft: z.string(),
  baseline: z.string(),
  dialogues: count,
  responses: count,
  difference: z.number().describe("of the pooled accept lengths on the same responses: draft less baseline"),
  interval: intervalSchema,
  meanDifference: z.number(),
  meanInterval: intervalSchema,
  dialoguesBetter: count,
  dialoguesEqual: count,
  dialoguesWorse: count,
});
export type Pair = z.infer<typeof pairSchema>;
