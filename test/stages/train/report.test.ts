import { describe, expect, it } from "vitest";
import { type TrainingData, trainingPage, trainingReport } from "../../../src/stages/train/report.js";

const evaluation: TrainingData["evaluations"][number] = {
  step: 20,
  epoch: 1,
  train: { steps: 20, loss: 3.25, acceptLength: 1.41 },
  pooledAcceptLength: 1.9,
  interval: [1.8, 2.01],
  meanAcceptLength: 1.95,
  tokensPerStep: 1.88,
  anchorAcceptLength: 1.7,
  perPosition: [0.6, 0.3],
  verificationSteps: 400,
  verdict: "best",
  difference: null,
  differenceInterval: null,
};

const figures: TrainingData = {
  schemaVersion: 1,
  blockSize: 3,
  stepsPerEpoch: 20,
  steps: 40,
  stopped: "early-stop",
  best: { step: 20, epoch: 1, pooledAcceptLength: 1.9, interval: [1.8, 2.01] },
  evaluations: [
    { ...evaluation, step: 0, epoch: 0, train: null, interval: null, verdict: null },
    evaluation,
    { ...evaluation, step: 40, epoch: 2, verdict: "miss", difference: -0.2, differenceInterval: [-0.31, -0.1] },
  ],
  epochs: [
    {
      epoch: 1,
      step: 20,
      trainLoss: 3.25,
      trainAcceptLength: 1.41,
      heldoutAnchorAcceptLength: 1.7,
      pooledAcceptLength: 1.9,
      interval: [1.8, 2.01],
    },
  ],
  curve: [
    { step: 10, epoch: 0.5, loss: 4, lr: 1e-3, gradNorm: 2, trainAcceptLength: 1.2, accuracyByPlace: [0.2, null] },
  ],
};

describe("the training's page", () => {
  const text = trainingPage(figures)
    .replaceAll(/<style>.*?<\/style>/gs, "")
    .replaceAll(/<[^>]+>/g, " ")
    .replaceAll(/\s+/g, " ");

  it("shows the best draft, training beside held-out rows, and why evaluations counted as misses", () => {
    expect(text).toContain("1.900 best held-out accept length, step 20 1.800 to 2.010 its 95 % interval");
    expect(text).toContain("1.00 3.250 1.410 1.700 1.900 1.800 to 2.010");
    expect(text).toContain("40 2.00 1.900 1.800 to 2.010 -0.200 -0.310 to -0.100 miss 0.60 0.30");
    expect(text).toContain("0 0.00 1.900 too few dialogues untrained");
  });

  it("is drawn from the file alone, and from no other form of it", () => {
    const drawn = trainingReport.draw(JSON.parse(JSON.stringify(figures)));
    expect(drawn).toEqual({ "training.html": trainingPage(figures) });
    const { epochs: _, ...rest } = figures;
    expect(() => trainingReport.draw(rest)).toThrow(/epochs/);
  });
});
