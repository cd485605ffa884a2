/** Small SVG charts: they scale, print and need no scripts. */
import { z } from "zod";
import { formatNumber } from "../events/index.js";
import { Html, html } from "./html.js";

const WIDTH = 640;
const HEIGHT = 160;
const LEFT = 46;
const BOTTOM = 22;
const TOP = 14;

export const binSchema = z.strictObject({
  from: z.number().describe("lower bound, inclusive"),
  to: z.number().describe("upper bound, exclusive"),
  count: z.number().int().nonnegative(),
});
export type Bin = z.infer<typeof binSchema>;

/** Bars of equal width regardless of bin width, which suits logarithmic bins. */
export function histogram(bins: readonly Bin[], unit: string): Html {
  if (bins.every(({ count }) => count === 0)) return html`<p class="quiet">nothing to show</p>\n`;
  const most = Math.max(...bins.map(({ count }) => count));
  const step = (WIDTH - LEFT) / bins.length;
  const bars = bins.map(({ from, to, count }, at) => {
    const height = (count / most) * (HEIGHT - TOP - BOTTOM);
    const place = new Html(
      `x="${rounded(LEFT + at * step + 1)}" y="${rounded(HEIGHT - BOTTOM - height)}" width="${rounded(Math.max(1, step - 2))}" height="${rounded(height)}"`,
    );
    return html`<rect class="bar" ${place}><title>${`${formatNumber(from)} to ${formatNumber(to)} ${unit}: ${formatNumber(count)}`}</title></rect>`;
  });
  // As many labels as fit side by side.
  const every = Math.max(1, Math.ceil(bins.length / 10));
  const labels = bins.map(({ from }, at) =>
    at % every === 0 && LEFT + at * step < WIDTH - 40
      ? label(LEFT + at * step, HEIGHT - 6, formatNumber(from))
      : undefined,
  );
  return chart(`${unit}: how often`, [...bars, ...labels, ...axes(most)]);
}

/** A curve over time; the points must be in order. */
export function curve(points: readonly { seconds: number; value: number }[], unit: string): Html {
  if (points.length < 2) return html`<p class="quiet">too short to show</p>\n`;
  const most = Math.max(...points.map(({ value }) => value));
  const first = points[0]!.seconds;
  const last = points.at(-1)!.seconds;
  const x = (seconds: number): number => LEFT + ((seconds - first) / Math.max(last - first, 1e-9)) * (WIDTH - LEFT - 4);
  const y = (value: number): number => HEIGHT - BOTTOM - (most === 0 ? 0 : value / most) * (HEIGHT - TOP - BOTTOM);
  const path = points.map(({ seconds, value }) => `${rounded(x(seconds))},${rounded(y(value))}`).join(" ");
  const ends = [
    label(LEFT, HEIGHT - 6, `${formatNumber(Math.round(first))} s`),
    label(WIDTH - 60, HEIGHT - 6, `${formatNumber(Math.round(last))} s`),
  ];
  return chart(`${unit} over time`, [html`<polyline class="curve" points="${path}"/>`, ...ends, ...axes(most)]);
}

function axes(most: number): Html[] {
  const base = HEIGHT - BOTTOM;
  return [
    html`<line class="axis" x1="${LEFT}" y1="${base}" x2="${WIDTH}" y2="${base}"/>`,
    label(2, TOP + 4, formatNumber(most)),
    label(2, base, "0"),
  ];
}

function label(x: number, y: number, text: string): Html {
  return html`<text x="${rounded(x)}" y="${rounded(y)}">${text}</text>`;
}

function chart(title: string, parts: readonly (Html | undefined)[]): Html {
  return html`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${title}">${parts}</svg>\n`;
}

/** One decimal, for short and reproducible output. */
function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
