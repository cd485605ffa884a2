/** training.json: the course of a run, as the trainer writes it. */
import { z } from "zod";
import { formatNumber } from "../../events/index.js";
import {
  defineReport,
  fixed,
  type Html,
  html,
  keyFigures,
  type Line,
  lineChart,
  numbers,
  page,
  range,
  signed,
  table,
} from "../../report/index.js";

const count = z.number().int().nonnegative();
const intervalSchema = z.tuple([z.number(), z.number()]).nullable().describe("95 %, bootstrap over dialogues");

const evaluationSchema = z.strictObject({
  step: count,
  epoch: z.number(),
  train: z
    .strictObject({ steps: count, loss: z.number(), acceptLength: z.number() })
    .nullable()
    .describe("means over the training steps since the evaluation before"),
  pooledAcceptLength: z.number().describe("of the walk over the held-out rows: 1 + accepted tokens / steps"),
  interval: intervalSchema,
  meanAcceptLength: z.number(),
  tokensPerStep: z.number(),
  anchorAcceptLength: z
    .number()
    .describe("1 + mean correct prefix over all anchors of the held-out rows: comparable with train.acceptLength"),
  perPosition: z.array(z.number()).describe("share of steps that accept place 1, 2, ..."),
  verificationSteps: count,
  verdict: z
    .enum(["best", "miss", "undecided"])
    .nullable()
    .describe("miss: no better than the best by more than chance; null: before the first step"),
  difference: z.number().nullable().describe("pooled accept length less that of the best evaluation before"),
  differenceInterval: intervalSchema,
});

const epochSchema = z.strictObject({
  epoch: z.number(),
  step: count,
  trainLoss: z.number().nullable(),
  trainAcceptLength: z.number().nullable().describe("at the anchors that the epoch's steps drew"),
  heldoutAnchorAcceptLength: z.number().describe("the same on held-out rows; where the two part, the draft overfits"),
  pooledAcceptLength: z.number(),
  interval: intervalSchema,
});

const pointSchema = z.strictObject({
  step: count,
  epoch: z.number(),
  loss: z.number(),
  lr: z.number(),
  gradNorm: z.number(),
  trainAcceptLength: z.number(),
  accuracyByPlace: z.array(z.number().nullable()).describe("share of right tokens at places 1, 2, ..."),
});

export const trainingSchema = z.strictObject({
  schemaVersion: z.literal(1),
  blockSize: count,
  stepsPerEpoch: count,
  steps: count,
  stopped: z.string().describe("finished, early-stop or time-budget"),
  best: z
    .strictObject({ step: count, epoch: z.number(), pooledAcceptLength: z.number(), interval: intervalSchema })
    .nullable(),
  evaluations: z.array(evaluationSchema),
  epochs: z.array(epochSchema).describe("the overfitting curve"),
  curve: z.array(pointSchema).describe("at most 500 of the lines of metrics.jsonl"),
});
export type TrainingData = z.infer<typeof trainingSchema>;

export const trainingReport = defineReport("training.json", trainingSchema, { "training.html": trainingPage });

export function trainingPage(data: TrainingData): string {
  const { best, steps, stopped, evaluations, epochs } = data;
  return page(
    "training",
    html`<h1>training: ${stopped}</h1>\n`,
    keyFigures([
      { label: "optimizer steps", value: formatNumber(steps) },
      { label: "epochs", value: (steps / Math.max(1, data.stepsPerEpoch)).toFixed(2) },
      ...(best === null
        ? []
        : [
            { label: `best held-out accept length, step ${best.step}`, value: best.pooledAcceptLength.toFixed(3) },
            { label: "its 95 % interval", value: range(best.interval) },
          ]),
    ]),
    html`<h2>Curves</h2>\n<div class="charts">${curves(data)}</div>\n`,
    html`<h2>Training beside held-out rows, by epoch</h2>\n`,
    html`<p class="quiet">Accept lengths at anchors are comparable with each other: where that of training rises and that of held-out rows does not, the draft overfits.</p>\n`,
    epochsTable(epochs),
    html`<h2>Evaluations</h2>\n`,
    evaluationsTable(evaluations),
  );
}

function curves({ curve, evaluations, blockSize }: TrainingData): Html[] {
  const ofSteps = (name: string, value: (point: TrainingData["curve"][number]) => number): Line => ({
    name,
    points: curve.map((point) => ({ x: point.step, y: value(point) })),
  });
  const heldout: Line[] = [
    {
      name: "held out, walked",
      points: evaluations.map((one) => ({ x: one.step, y: one.pooledAcceptLength, interval: one.interval })),
    },
    { name: "held out, at anchors", points: evaluations.map((one) => ({ x: one.step, y: one.anchorAcceptLength })) },
    ofSteps("training, at anchors", (point) => point.trainAcceptLength),
  ];
  const places = Array.from({ length: Math.min(blockSize - 1, 4) }, (_, place) => ({
    name: `place ${place + 1}`,
    points: curve.flatMap(({ step, accuracyByPlace }) => {
      const y = accuracyByPlace[place];
      return y === undefined || y === null ? [] : [{ x: step, y }];
    }),
  }));
  const x = "optimizer step";
  return [
    lineChart({ title: "Loss", x, lines: [ofSteps("loss", ({ loss }) => loss)], fromZero: true }),
    lineChart({ title: "Accept length", x, lines: heldout }),
    lineChart({ title: "Share of right tokens by place", x, lines: places, fromZero: true }),
    lineChart({ title: "Gradient norm", x, lines: [ofSteps("norm", ({ gradNorm }) => gradNorm)], fromZero: true }),
    lineChart({ title: "Learning rate", x, lines: [ofSteps("learning rate", ({ lr }) => lr)], fromZero: true }),
  ];
}

function epochsTable(epochs: TrainingData["epochs"]): Html {
  return table(
    numbers("epoch", "training loss", "training, at anchors", "held out, at anchors", "held out, walked", "95 %"),
    epochs.map((one) => [
      one.epoch.toFixed(2),
      fixed(one.trainLoss),
      fixed(one.trainAcceptLength),
      fixed(one.heldoutAnchorAcceptLength),
      fixed(one.pooledAcceptLength),
      range(one.interval),
    ]),
  );
}

function evaluationsTable(evaluations: TrainingData["evaluations"]): Html {
  return table(
    [
      ...numbers("step", "epoch", "accept length", "95 %", "to the best before", "95 %"),
      { name: "verdict" },
      { name: "accepted at places" },
    ],
    evaluations.map((one) => [
      formatNumber(one.step),
      one.epoch.toFixed(2),
      fixed(one.pooledAcceptLength),
      range(one.interval),
      one.difference === null ? "" : signed(one.difference),
      one.difference === null ? "" : range(one.differenceInterval),
      one.verdict ?? "untrained",
      one.perPosition.map((rate) => rate.toFixed(2)).join(" "),
    ]),
  );
}
