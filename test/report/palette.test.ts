/** Colours of pages, light and dark, against the contrast that WCAG 2.2 asks for (1.4.3 and 1.4.11). */
import { describe, expect, it } from "vitest";
import { page } from "../../src/report/index.js";

const [light, dark] = [...page("t").matchAll(/:root \{([^}]*)\}/g)].map((match) => colours(match[1]!)) as [
  Map<string, string>,
  Map<string, string>,
];

function colours(rules: string): Map<string, string> {
  return new Map([...rules.matchAll(/--(\w+): (#[0-9a-f]{3,6})/g)].map((match) => [match[1]!, match[2]!]));
}

function luminance(colour: string): number {
  const digits = colour.length === 4 ? Array.from(colour.slice(1), (digit) => digit + digit).join("") : colour.slice(1);
  const [red, green, blue] = [0, 2, 4].map((at) => {
    const share = Number.parseInt(digits.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
}

function contrast(one: string, other: string): number {
  const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

describe.each([
  ["light", light],
  ["dark", dark],
])("%s", (_, palette) => {
  it.each(["ink", "quiet", "good", "bad", "warn", "bar"])("%s is readable as text", (name) => {
    for (const back of ["back", "panel"]) {
      expect(contrast(palette.get(name)!, palette.get(back)!)).toBeGreaterThanOrEqual(4.5);
    }
  });

  it.each(["bar", "second", "good", "quiet"])("a line of %s stands out", (name) => {
    expect(contrast(palette.get(name)!, palette.get("back")!)).toBeGreaterThanOrEqual(3);
  });
});
