/** Lines over a common axis, with intervals where values have them, as SVG without scripts. */
import { formatNumber } from "../events/index.js";
import { Html, html } from "./html.js";
import { ticks } from "./ticks.js";

export interface LinePoint {
  x: number;
  y: number;
  /** Ends of its interval. */
  interval?: readonly [number, number] | null;
}

export interface Line {
  name: string;
  points: readonly LinePoint[];
}

export interface LineChart {
  title: string;
  /** What x counts, such as "optimizer step". */
  x: string;
  lines: readonly Line[];
  /** Starts the axis of values at 0. */
  fromZero?: boolean;
}

const WIDTH = 560;
const HEIGHT = 240;
const [LEFT, RIGHT, TOP, BOTTOM] = [52, 12, 30, 38];
/** Lines are told apart by their dashes as well as by their colours. */
const KINDS = 4;

export function lineChart({ title, x, lines, fromZero = false }: LineChart): Html {
  const shown = lines.filter(({ points }) => points.length > 0).slice(0, KINDS);
  const points = shown.flatMap((line) => line.points);
  if (new Set(points.map((point) => point.x)).size < 2) {
    return html`<figure><figcaption>${title}</figcaption><p class="quiet">too few values to show</p></figure>\n`;
  }
  const values = points.flatMap(({ y, interval }) => [y, ...(interval ?? [])]);
  const across = ticks(Math.min(...points.map((point) => point.x)), Math.max(...points.map((point) => point.x)), 6);
  const up = ticks(fromZero ? Math.min(0, ...values) : Math.min(...values), Math.max(...values), 5);
  const scale = {
    x: scaleOf(across.from, across.to, LEFT, WIDTH - RIGHT),
    y: scaleOf(up.from, up.to, HEIGHT - BOTTOM, TOP),
  };
  const grid = up.at.map((value) => {
    const y = rounded(scale.y(value));
    return html`<line class="axis" x1="${LEFT}" y1="${y}" x2="${WIDTH - RIGHT}" y2="${y}"/><text class="end" x="${LEFT - 6}" y="${y + 4}">${formatNumber(value)}</text>`;
  });
  const marks = across.at.map(
    (value) =>
      html`<text class="middle" x="${rounded(scale.x(value))}" y="${HEIGHT - BOTTOM + 15}">${formatNumber(value)}</text>`,
  );
  const words = shown.map(({ name, points: own }) => `${name} ends at ${formatNumber(own.at(-1)!.y)}`).join("; ");
  return html`<figure><figcaption>${title}</figcaption><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${`${title} by ${x}: ${words}`}">
${grid}${marks}<text class="middle" x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 6}">${x}</text>
${shown.map((line, at) => drawn(line, at, scale))}${shown.length > 1 ? shown.map(({ name }, at) => legend(name, at, shown.length)) : undefined}</svg></figure>\n`;
}

interface Scale {
  x(value: number): number;
  y(value: number): number;
}

function scaleOf(from: number, to: number, start: number, end: number): (value: number) => number {
  return (value) => start + ((value - from) / (to - from)) * (end - start);
}

function drawn({ name, points }: Line, at: number, scale: Scale): Html {
  const path = points.map(({ x, y }) => `${rounded(scale.x(x))},${rounded(scale.y(y))}`).join(" ");
  const bars = points
    .filter((point) => point.interval !== undefined && point.interval !== null)
    .map(({ x, interval }) => {
      const place = rounded(scale.x(x));
      return html`<line class="interval line-${at}" x1="${place}" x2="${place}" y1="${rounded(scale.y(interval![0]))}" y2="${rounded(scale.y(interval![1]))}"/>`;
    });
  const dots =
    points.length > 60
      ? undefined
      : points.map(
          ({ x, y, interval }) =>
            html`<circle class="dot line-${at}" cx="${rounded(scale.x(x))}" cy="${rounded(scale.y(y))}" r="2.5"><title>${`${name} at ${formatNumber(x)}: ${formatNumber(y)}${rangeText(interval)}`}</title></circle>`,
        );
  return html`${bars}<polyline class="line line-${at}" points="${new Html(path)}"/>${dots}\n`;
}

function rangeText(interval: LinePoint["interval"]): string {
  return interval === undefined || interval === null
    ? ""
    : ` (${formatNumber(interval[0])} to ${formatNumber(interval[1])})`;
}

function legend(name: string, at: number, count: number): Html {
  const x = LEFT + (at * (WIDTH - LEFT)) / count;
  return html`<line class="line line-${at}" x1="${x}" y1="12" x2="${x + 22}" y2="12"/><text x="${x + 28}" y="16">${name}</text>`;
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
