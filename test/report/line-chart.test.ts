import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { embedded, html, lineChart, page } from "../../src/report/index.js";
import { ticks } from "../../src/report/ticks.js";

describe("marks of an axis", () => {
  const finite = fc.double({ min: -1e6, max: 1e6, noNaN: true });

  it("cover the values, rise evenly and are as many as wanted", () => {
    fc.assert(
      fc.property(finite, finite, fc.integer({ min: 2, max: 10 }), (a, b, wanted) => {
        const [least, most] = [Math.min(a, b), Math.max(a, b)];
        fc.pre(most - least > 1e-6);
        const { from, to, at } = ticks(least, most, wanted);
        const slack = 1e-6 * (Math.abs(least) + Math.abs(most) + 1);
        expect(from).toBeLessThanOrEqual(least + slack);
        expect(to).toBeGreaterThanOrEqual(most - slack);
        expect(at.length).toBeLessThanOrEqual(wanted + 2);
        const step = at[1]! - at[0]!;
        for (let k = 1; k < at.length; k += 1)
          expect(Math.abs(at[k]! - at[k - 1]! - step)).toBeLessThan(1e-6 * step + slack);
      }),
      { seed: 3 },
    );
  });

  it.each([
    [0, 1, 5, [0, 0.2, 0.4, 0.6, 0.8, 1]],
    [1.03, 1.34, 4, [1, 1.1, 1.2, 1.3, 1.4]],
    [7, 7, 5, [6, 8]],
    [0, 0, 5, [0, 0.2]],
  ])("from %d to %d", (least, most, wanted, expected) => {
    expect(ticks(least, most, wanted).at).toEqual(expect.arrayContaining(expected.slice(0, 1)));
    if (least !== most) expect(ticks(least, most, wanted).at).toEqual(expected);
  });
});

describe("a line chart", () => {
  const points = [
    { x: 0, y: 1, interval: [0.9, 1.1] as const },
    { x: 100, y: 3, interval: [2.5, 3.5] as const },
  ];

  it("draws its lines with intervals, and names them in a legend if there are several", () => {
    const one = lineChart({ title: "Accept length", x: "step", lines: [{ name: "held out", points }] }).source;
    expect(one.match(/<polyline/g)).toHaveLength(1);
    expect(one.match(/class="interval/g)).toHaveLength(2);
    expect(one).not.toContain(">held out</text>");
    const lines = ["a", "b"].map((name) => ({ name, points }));
    expect(lineChart({ title: "t", x: "x", lines }).source).toContain(">b</text>");
  });

  it("spreads the values over its whole area, the largest at the top", () => {
    const { source } = lineChart({ title: "t", x: "x", lines: [{ name: "a", points }] });
    const [first, last] = /polyline[^>]*points="([^"]+)"/
      .exec(source)![1]!
      .split(" ")
      .map((each) => each.split(",").map(Number));
    expect(first![0]).toBeLessThan(last![0]!);
    expect(first![1]).toBeGreaterThan(last![1]!);
  });

  it("says so where a single place has values, and escapes names", () => {
    expect(lineChart({ title: "t", x: "x", lines: [{ name: "a", points: points.slice(0, 1) }] }).source).toContain(
      "too few",
    );
    const hostile = lineChart({ title: "<i>", x: "<b>", lines: [{ name: '"><script>', points }] }).source;
    expect(hostile).not.toMatch(/<i>|<b>|<script>/);
  });
});

describe("an embedded page", () => {
  it("keeps its content, lowers its headings and drops its head", () => {
    const drawn = page("title", html`<h1 id="x">One</h1><h2>Two</h2><p>${"<h1>text</h1>"}</p>`);
    const { source } = embedded(drawn);
    expect(source.trim()).toBe('<h2 id="x">One</h2><h3>Two</h3><p>&lt;h1&gt;text&lt;/h1&gt;</p>');
  });
});
