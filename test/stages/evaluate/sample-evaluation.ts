/** A small evaluation.json, in the form that the trainer and the stage write. */
import type { DraftFigures } from "../../../src/stages/evaluate/draft-figures.js";
import { type EvaluationData, evaluationSchema } from "../../../src/stages/evaluate/report.js";

export function sampleDraft(changes: Partial<DraftFigures> = {}): DraftFigures {
  const bins = (count: number) =>
    Array.from({ length: 10 }, (_, at) => ({
      from: at / 10,
      to: (at + 1) / 10,
      count: at === 7 ? count : 0,
      confidence: at === 7 ? 0.74 : null,
      frequency: at === 7 ? 0.7 : null,
    }));
  const group = { responses: 4, dialogues: 2, steps: 20, meanAcceptLength: 2.4, meanInterval: null };
  return {
    responses: 4,
    dialogues: 2,
    steps: 20,
    pooledAcceptLength: 2.35,
    interval: [2.2, 2.5],
    meanAcceptLength: 2.4,
    meanInterval: [2.2, 2.6],
    blockSize: 4,
    tokensPerStep: 2.3,
    anchorAcceptLength: 2.2,
    correctDrafts: 27,
    tokens: 46,
    oneTokenResponses: 0,
    aboveBreakEven: false,
    histogram: [5, 6, 6, 3],
    perPosition: [1, 2, 3].map((place) => ({
      place,
      offered: 20,
      reached: 20 - 5 * (place - 1),
      accepted: 15 - 5 * (place - 1),
      rate: 0.6,
    })),
    groups: [
      {
        dimension: "tag task",
        groups: [{ name: "<script>alert(1)</script>", pooledAcceptLength: 2.35, interval: null, ...group }],
      },
    ],
    places: [1, 2, 3].map((place) => ({
      place,
      offered: 20,
      reached: 20 - 5 * (place - 1),
      accepted: 15 - 5 * (place - 1),
      loss: 0.9,
      lossReached: 0.7,
      confidence: 0.66,
      among: [1, 2, 4, 8, 16].map((candidates) => ({ candidates, share: 0.8 })),
    })),
    oracle: [1, 2, 4, 8, 16].map((candidates) => ({
      candidates,
      pooledAcceptLength: 2.35 + candidates / 20,
      meanAcceptLength: 2.4,
      tokensPerStep: 2.3,
      steps: 20,
      rates: [0.6, 0.5, 0.4],
    })),
    calibration: {
      tokens: { predictions: 40, error: 0.04, bins: bins(40) },
      prefixes: { predictions: 60, error: 0.05, bins: bins(60) },
      expectedAcceptLength: 2.41,
    },
    ...changes,
  };
}

export function sampleEvaluation(changes: Partial<EvaluationData> = {}): EvaluationData {
  const points = [
    { concurrency: 1, contextTokens: 812.5, rounds: 12, stepMs: 10, draftMs: 3, verifyMs: 12 },
    { concurrency: 16, contextTokens: 812.5, rounds: 12, stepMs: 14, draftMs: 9, verifyMs: 60 },
  ];
  return evaluationSchema.parse({
    schemaVersion: 1,
    split: "heldout",
    rows: { read: 5, kept: 4, rejected: { "too-long": 1 } },
    breakEven: 2.5,
    drafts: { trained: sampleDraft(), untrained: sampleDraft({ pooledAcceptLength: 1.01 }) },
    paired: [
      {
        draft: "trained",
        baseline: "untrained",
        dialogues: 2,
        responses: 4,
        difference: 1.34,
        interval: [1.2, 1.5],
        meanDifference: 1.3,
        meanInterval: null,
        dialoguesBetter: 2,
        dialoguesEqual: 0,
        dialoguesWorse: 0,
      },
    ],
    latencies: [{ draft: "trained", source: "reference decoder", points }],
    setups: {
      trained: { layers: 5, blockSize: 4, trainingRows: 20_000 },
      untrained: { layers: 5, blockSize: 4, trainingRows: 0 },
    },
    predictions: points.map(({ concurrency }) => ({
      draft: "trained",
      source: "reference decoder",
      concurrency,
      tokensPerStep: 2.3,
      breakEven: concurrency === 1 ? 1.5 : 4.93,
      speedup: concurrency === 1 ? 1.53 : 0.47,
      interval: [0.4, 1.6],
      verdict: concurrency === 1 ? "pays" : "loses",
    })),
    rowsWithVideos: 0,
    comparison: { trained: { responses: 4, steps: 20, differingSteps: 0, equalOutputs: 4 } },
    served: null,
    ...changes,
  });
}
