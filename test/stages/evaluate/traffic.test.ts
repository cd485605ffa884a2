/** Intervals of differences, and which rows of the traffic are measured; the whole way is in test/e2e. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Counts } from "../../../src/artifacts/index.js";
import { evaluationReport } from "../../../src/stages/evaluate/report-files.js";
import { summarise } from "../../../src/stages/evaluate/summary.js";
import { differenceInterval, trafficSplit } from "../../../src/stages/evaluate/traffic.js";
import { manifestOf } from "../regenerate/harness.js";
import { sampleEvaluation } from "./sample-evaluation.js";

describe("the interval of a difference", () => {
  const half = fc.double({ min: 0.01, max: 2, noNaN: true });
  const measured = fc
    .record({ value: fc.double({ min: 1, max: 8, noNaN: true }), below: half, above: half })
    .map(({ value, below, above }) => ({ value, interval: [value - below, value + above] as [number, number] }));

  it("holds the difference, mirrors when sides change, and is wider than either and narrower than both", () => {
    fc.assert(
      fc.property(measured, measured, (one, other) => {
        const [low, high] = differenceInterval(one, other)!;
        const difference = one.value - other.value;
        expect(low).toBeLessThan(difference);
        expect(high).toBeGreaterThan(difference);
        const [mirroredLow, mirroredHigh] = differenceInterval(other, one)!;
        expect(mirroredLow).toBeCloseTo(-high, 9);
        expect(mirroredHigh).toBeCloseTo(-low, 9);
        const width = (each: typeof one): number => each.interval[1] - each.interval[0];
        expect(high - low).toBeLessThanOrEqual(width(one) + width(other) + 1e-9);
        expect(high - low).toBeGreaterThanOrEqual(Math.max(width(one), width(other)) - 1e-9);
      }),
    );
  });

  it("of symmetric intervals is the usual root of the sum of squares, and of none is none", () => {
    const [low, high] = differenceInterval({ value: 3, interval: [2.7, 3.3] }, { value: 4, interval: [3.6, 4.4] })!;
    expect(low).toBeCloseTo(-1.5, 9);
    expect(high).toBeCloseTo(-0.5, 9);
    expect(differenceInterval({ value: 3, interval: null }, { value: 4, interval: [3.6, 4.4] })).toBeNull();
  });
});

it("measures rows of the traffic that nobody trained on, or all where none is held out", () => {
  const split = (counts: Counts) => trafficSplit({ path: "", manifest: { ...manifestOf(1), counts } });
  expect([split({ train: 9, heldout: 1 }), split({ train: 9, heldout: 0 }), split({})]).toEqual([
    "heldout",
    "train",
    "train",
  ]);
});

it("summary and page say how far traffic lies from held-out rows", () => {
  const traffic = {
    split: "train" as const,
    rows: { read: 3, kept: 3, rejected: {} },
    responses: 5,
    pooledAcceptLength: 2.25,
    interval: [2, 2.5] as [number, number],
    tokensPerStep: 2.2,
    aboveBreakEven: false,
    difference: -1.75,
    differenceInterval: [-2, -1.5] as [number, number],
  };
  const figures = sampleEvaluation({ traffic });
  expect(summarise(figures)).toContainEqual({
    label: "accept length on traffic, trained draft",
    value: "2.250 pooled over 5 responses, BELOW break-even; -1.750 (-2.000 to -1.500) against held-out rows",
  });
  const [page] = Object.values(evaluationReport.draw(figures));
  expect(page).toContain("<h2>Production traffic</h2>");
  expect(page).toContain(">-1.750<");
  expect(Object.values(evaluationReport.draw(sampleEvaluation()))[0]).not.toContain("Production traffic");
});
