/** A few thousand planned faults; storm-many.ts sends 100,000. */
import { expect, it } from "vitest";
import { runStorm } from "./storm.js";

it.each([
  { seed: 1, dieEvery: 0 },
  { seed: 2, dieEvery: 300 },
])(
  "ends every dialogue as planned (seed $seed, a death every $dieEvery requests)",
  async ({ seed, dieEvery }) => {
    const report = await runStorm(400, seed, dieEvery);
    expect(report.wrong).toEqual([]);
    expect(report.requests).toBeGreaterThan(1400);
    expect(Object.keys(report.served).length).toBeGreaterThan(20);
    if (dieEvery > 0) expect(report.deaths).toBeGreaterThan(0);
  },
  120_000,
);
