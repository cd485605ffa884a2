import { describe, expect, it } from "vitest";
import {
  breakEvenOf,
  type LatencyPoint,
  latenciesSchema,
  predict,
  speedupOf,
} from "../../../src/stages/evaluate/break-even.js";

function point(changes: Partial<LatencyPoint> = {}): LatencyPoint {
  return { concurrency: 1, contextTokens: 900, rounds: 12, stepMs: 10, draftMs: 3, verifyMs: 12, ...changes };
}

describe("break-even", () => {
  it("is where a round brings as many tokens as plain steps would in its time", () => {
    expect(breakEvenOf(point())).toBe(1.5);
    expect(speedupOf(point(), 1.5)).toBe(1);
    expect(speedupOf(point(), 3)).toBe(2);
  });

  it("equals a simulation of a long answer, whatever the latencies", () => {
    for (const [stepMs, draftMs, verifyMs, tokens] of [
      [7, 1.3, 8.8, 2.41],
      [20, 9, 61, 3.3],
      [5, 0, 5.2, 1.02],
    ] as const) {
      const answer = 100_000;
      const plain = answer * stepMs;
      const drafted = (answer / tokens) * (draftMs + verifyMs);
      expect(speedupOf(point({ stepMs, draftMs, verifyMs }), tokens)).toBeCloseTo(plain / drafted, 9);
    }
  });
});

describe("a prediction", () => {
  const figures = { tokensPerStep: 2, pooledAcceptLength: 2.1, interval: [1.89, 2.31] as [number, number] };

  it("carries the accept length's interval, in tokens per step", () => {
    const [one] = predict([{ draft: "trained", source: "reference decoder", points: [point()] }], { trained: figures });
    expect(one).toMatchObject({ draft: "trained", concurrency: 1, tokensPerStep: 2, breakEven: 1.5, verdict: "pays" });
    expect(one!.speedup).toBeCloseTo(4 / 3, 9);
    expect(one!.interval![0]).toBeCloseTo((4 / 3) * 0.9, 9);
    expect(one!.interval![1]).toBeCloseTo((4 / 3) * 1.1, 9);
  });

  it.each([
    [{ verifyMs: 12 }, "pays"],
    [{ verifyMs: 17 }, "undecided"],
    [{ verifyMs: 40 }, "loses"],
  ] as const)("judges latencies %j as: %s", (changes, verdict) => {
    expect(
      predict([{ draft: "d", source: "reference decoder", points: [point(changes)] }], { d: figures })[0]!.verdict,
    ).toBe(verdict);
  });

  it("without an interval judges by the value", () => {
    const alone = { ...figures, interval: null };
    expect(predict([{ draft: "d", source: "reference decoder", points: [point()] }], { d: alone })[0]).toMatchObject({
      interval: null,
      verdict: "pays",
    });
  });

  it("is made for every concurrency, and for no draft without figures", () => {
    const points = [1, 4, 16].map((concurrency) => point({ concurrency, verifyMs: 12 * concurrency }));
    const made = predict(
      [
        { draft: "d", source: "reference decoder", points },
        { draft: "gone", source: "reference decoder", points },
      ],
      { d: figures },
    );
    expect(made.map(({ concurrency }) => concurrency)).toEqual([1, 4, 16]);
    expect(made.map(({ breakEven }) => breakEven)).toEqual([1.5, 5.1, 19.5]);
  });

  it("refuses latencies that are no times", () => {
    expect(
      latenciesSchema.safeParse({ draft: "d", source: "reference decoder", points: [point({ stepMs: 0 })] }).success,
    ).toBe(false);
  });
});
