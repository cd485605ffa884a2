/** The figures of a run, as data: what `report.json` holds and the page is drawn from. With times and addresses. */
import { z } from "zod";
import type { JsonObject } from "../../../base/index.js";
import { binSchema, type LogHistogram } from "../../../report/index.js";
import { ServerStatistics, type Statistics } from "./statistics.js";

const count = z.number().int().nonnegative();
const reasons = z.record(z.string(), count);

export const histogramSchema = z.strictObject({
  count,
  mean: z.number(),
  p50: z.number().describe("largest value of its bin; bins grow by a quarter of an octave"),
  p95: z.number(),
  p99: z.number(),
  max: z.number(),
  bins: z.array(binSchema),
});
export type HistogramData = z.infer<typeof histogramSchema>;

const serverSchema = z.strictObject({
  name: z.string(),
  latencySeconds: histogramSchema.describe("queueing included"),
  promptTokens: count,
  answerTokens: count,
  faults: reasons,
  longestPrompt: count.describe("tokens of the longest prompt that it answered in this run"),
  promptLimit: count.nullable().describe("tokens of the longest prompt that it takes; null: it does not say"),
  trouble: z.string().describe("why it has no work at the end of the run; empty: it has"),
});
export type ServerData = z.infer<typeof serverSchema>;

const recheckSchema = z.strictObject({
  turns: count,
  equal: count,
  earlierTurns: count.describe("checked before this run"),
  firstDifferences: histogramSchema.describe("tokens before the first other one"),
  pairs: z.array(
    z.strictObject({
      first: z.string().describe("who answered; empty: an earlier run that did not say"),
      again: z.string().describe("who was asked again"),
      turns: count,
      equal: count,
    }),
  ),
});

export const runReportSchema = z.strictObject({
  stage: z.literal("regenerate"),
  outcome: z.enum(["done", "stopped"]),
  seconds: z.number(),
  counts: z
    .record(z.string(), z.json())
    .nullable()
    .describe("of the finished artifact; null where the run was stopped"),
  skipped: count.describe("dialogues that had been finished before this run"),
  ends: z.strictObject({ done: count, partial: count, rejected: count, failed: count }),
  reasons: reasons.describe("why dialogues did not end as done"),
  retries: reasons.describe("attempts that were made again, by reason"),
  countedAnswers: count.describe("answers whose ids are known by count alone"),
  promptTokens: histogramSchema,
  answerTokens: histogramSchema,
  turnsPerDialogue: histogramSchema,
  latencySeconds: histogramSchema,
  prompts: z
    .strictObject({
      compared: count.describe("turns whose prompt ids are equal to the model directory's"),
      notRendered: reasons.describe("turns that cannot be rendered here, by reason"),
      differing: reasons.describe("answers that were not used because their prompt was wrong, by server"),
    })
    .describe("all zero without a model directory"),
  recheck: recheckSchema.nullable().describe("all checks of this work, earlier runs included; null: none"),
  servers: z.array(serverSchema),
  slowest: z.array(
    z.strictObject({
      dialogue: z.string(),
      turn: count,
      server: z.string(),
      seconds: z.number(),
      promptTokens: count,
      answerTokens: count,
      isRecheck: z.boolean(),
    }),
  ),
  points: z.array(
    z.strictObject({ seconds: z.number(), tokens: count, answers: count }).describe("sums since the run began"),
  ),
});
export type RunReportData = z.infer<typeof runReportSchema>;

export interface RunFacts {
  outcome: "done" | "stopped";
  seconds: number;
  /** Counts of the finished artifact; undefined where the run was stopped. */
  counts: JsonObject | undefined;
  servers: readonly { name: string; promptLimit: number | undefined; trouble: string }[];
}

export function runReportData(statistics: Statistics, facts: RunFacts): RunReportData {
  const { outcome, seconds, counts } = facts;
  const { ends, slowest, points, skipped, prompts } = statistics;
  return {
    stage: "regenerate",
    outcome,
    seconds,
    counts: (counts ?? null) as RunReportData["counts"],
    skipped,
    ends,
    reasons: reasonsOf(statistics),
    retries: statistics.retries,
    countedAnswers: statistics.counted,
    promptTokens: histogramOf(statistics.promptTokens),
    answerTokens: histogramOf(statistics.answerTokens),
    turnsPerDialogue: histogramOf(statistics.turnsPerDialogue),
    latencySeconds: histogramOf(statistics.seconds),
    prompts: { compared: prompts.compared, notRendered: prompts.notRendered, differing: prompts.differing },
    recheck: recheckOf(statistics),
    servers: serversOf(statistics, facts),
    slowest,
    points,
  };
}

function reasonsOf({ reasons }: Statistics): RunReportData["reasons"] {
  const entries = Object.entries(reasons).flatMap(([end, counts]) =>
    Object.entries(counts).map(([reason, times]): [string, number] => [`${end}: ${reason}`, times]),
  );
  return Object.fromEntries(entries);
}

/** Those that answered or failed in this run, and those that are in trouble. */
function serversOf({ servers }: Statistics, facts: RunFacts): ServerData[] {
  const known = new Map(facts.servers.map((server) => [server.name, server]));
  const troubled = facts.servers.filter(({ trouble }) => trouble !== "").map(({ name }) => name);
  return [...new Set([...servers.keys(), ...troubled])].sort().map((name) => {
    const own = servers.get(name) ?? new ServerStatistics();
    return {
      name,
      latencySeconds: histogramOf(own.seconds),
      promptTokens: own.promptTokens,
      answerTokens: own.answerTokens,
      faults: own.faults,
      longestPrompt: own.longestPrompt,
      promptLimit: known.get(name)?.promptLimit ?? null,
      trouble: known.get(name)?.trouble ?? "",
    };
  });
}

function recheckOf({
  recheck: { turns, equal, earlierTurns, firstDifferences, pairs },
}: Statistics): RunReportData["recheck"] {
  if (turns === 0) return null;
  const sortedPairs = [...pairs].sort(byName).map(([, pair]) => ({ ...pair }));
  return { turns, equal, earlierTurns, firstDifferences: histogramOf(firstDifferences), pairs: sortedPairs };
}

function histogramOf(values: LogHistogram): HistogramData {
  return {
    count: values.count,
    mean: values.mean,
    p50: values.percentile(0.5),
    p95: values.percentile(0.95),
    p99: values.percentile(0.99),
    max: values.max,
    bins: values.bins(),
  };
}

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}
