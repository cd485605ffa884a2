/**
 * Speedup of speculative decoding, predicted from latencies. Plain decoding takes a step for every token; with a draft a
 * round of drafting and verifying brings `tokens` tokens. So the speedup is tokens x step / (draft + verify), and it
 * breaks even where a round brings (draft + verify) / step tokens.
 */
import { z } from "zod";
import { type DraftFigures, type Interval, intervalSchema } from "./draft-figures.js";

const count = z.number().int().nonnegative();
const milliseconds = z.number().positive();

const pointSchema = z.strictObject({
  concurrency: count.describe("sequences that are decoded together"),
  contextTokens: z.number().nullable().describe("mean tokens of a sequence when measuring began; null: not said"),
  rounds: count.nullable().describe("steps measured of each kind, whose medians these are; null: not said"),
  stepMs: milliseconds.describe("a token for every sequence, without a draft"),
  draftMs: z.number().nonnegative().describe("a block for every sequence, and the draft's context"),
  verifyMs: milliseconds.describe("the target's pass over the blocks, and keeping what is accepted"),
});
export type LatencyPoint = z.infer<typeof pointSchema>;

export const latenciesSchema = z.strictObject({
  draft: z.string(),
  source: z.string().describe("reference decoder (on this device), or the engine that engineLatencies names"),
  points: z.array(pointSchema),
});
export type Latencies = z.infer<typeof latenciesSchema>;

export const setupSchema = z.strictObject({
  layers: count.nullable().describe("decoder layers of the draft"),
  blockSize: count,
  trainingRows: count.nullable().describe("rows that it was trained on; null: not known from the inputs"),
});
export type Setup = z.infer<typeof setupSchema>;

export const predictionSchema = z.strictObject({
  draft: z.string(),
  source: z.string().describe("of the latencies"),
  concurrency: count,
  tokensPerStep: z.number().describe("of the draft, measured offline"),
  breakEven: z.number().describe("tokens per step at which speculation neither gains nor loses"),
  speedup: z.number(),
  interval: intervalSchema.describe("from the accept length's interval alone; latencies count as exact"),
  verdict: z.enum(["pays", "loses", "undecided"]).describe("undecided: the interval holds 1"),
});
export type Prediction = z.infer<typeof predictionSchema>;

/** Tokens per step at which speculation breaks even. */
export function breakEvenOf({ stepMs, draftMs, verifyMs }: LatencyPoint): number {
  return (draftMs + verifyMs) / stepMs;
}

export function speedupOf(point: LatencyPoint, tokensPerStep: number): number {
  return tokensPerStep / breakEvenOf(point);
}

export function predict(
  latencies: readonly Latencies[],
  drafts: Readonly<Record<string, Pick<DraftFigures, "tokensPerStep" | "pooledAcceptLength" | "interval">>>,
): Prediction[] {
  return latencies.flatMap(({ draft, source, points }) => {
    const figures = drafts[draft];
    if (figures === undefined) return [];
    return points.map((point) => {
      const speedup = speedupOf(point, figures.tokensPerStep);
      const interval = scaled(figures.interval, speedup / figures.pooledAcceptLength);
      return {
        draft,
        source,
        concurrency: point.concurrency,
        tokensPerStep: figures.tokensPerStep,
        breakEven: breakEvenOf(point),
        speedup,
        interval,
        verdict: verdictOf(speedup, interval),
      };
    });
  });
}

/** Tokens per step and pooled accept length differ by the last steps of responses only, so they scale together. */
function scaled(interval: Interval, factor: number): Interval {
  return interval === null ? null : [interval[0] * factor, interval[1] * factor];
}

function verdictOf(speedup: number, interval: Interval): Prediction["verdict"] {
  const [low, high] = interval ?? [speedup, speedup];
  return low > 1 ? "pays" : high < 1 ? "loses" : "undecided";
}
