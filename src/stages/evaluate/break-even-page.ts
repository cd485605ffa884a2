/** The break-even part of the evaluation's page: a table of drafts, and speedup over tokens per step as a plot. */
import { formatNumber } from "../../events/index.js";
import { fixed, Html, html, numbers, range, table } from "../../report/index.js";
import { breakEvenOf, type LatencyPoint, speedupOf } from "./break-even.js";
import type { EvaluationData } from "./report.js";

const WIDTH = 640;
const HEIGHT = 260;
const LEFT = 40;
const RIGHT = 60;
const TOP = 12;
const BOTTOM = 34;

type Figures = Pick<EvaluationData, "drafts" | "latencies" | "predictions" | "setups">;

export function breakEvenPart(figures: Figures): Html | undefined {
  if (figures.predictions.length === 0) return undefined;
  return html`<h2>Will it pay off?</h2>
<p class="quiet">Predicted from latencies: speedup = tokens per step x step / (draft + verify). Those of the reference decoder are of this machine; an engine has others.</p>
${draftsTable(figures)}${figures.latencies.map(({ draft, source, points }) => [
  html`<h3>${draft}, ${source}: speedup by tokens per step</h3>\n`,
  plot(points, figures.drafts[draft]!.tokensPerStep, figures.setups[draft]!.blockSize),
  latenciesTable(points),
])}`;
}

function draftsTable({ drafts, setups, predictions }: Figures): Html {
  const rows = predictions.map((one) => {
    const setup = setups[one.draft]!;
    const verdict = { pays: "good", loses: "bad", undecided: "warn" }[one.verdict];
    return [
      one.draft,
      one.source,
      setup.trainingRows === null ? "unknown" : formatNumber(setup.trainingRows),
      setup.layers ?? "unknown",
      setup.blockSize,
      fixed(drafts[one.draft]!.pooledAcceptLength),
      one.concurrency,
      fixed(one.breakEven),
      `${fixed(one.speedup, 2)}x`,
      range(one.interval, 2),
      html`<span class="${verdict}">${one.verdict}</span>`,
    ];
  });
  return table(
    [
      { name: "draft" },
      { name: "latencies of" },
      ...numbers("training rows", "layers", "block", "accept length", "sequences", "break-even", "speedup", "95 %"),
      { name: "verdict" },
    ],
    rows,
  );
}

function latenciesTable(points: readonly LatencyPoint[]): Html {
  return table(
    numbers("sequences", "context tokens", "step ms", "draft ms", "verify ms", "break-even tokens per step"),
    points.map((point) => [
      point.concurrency,
      point.contextTokens === null ? "" : formatNumber(Math.round(point.contextTokens)),
      ...[point.stepMs, point.draftMs, point.verifyMs].map((value) => fixed(value, 2)),
      fixed(breakEvenOf(point)),
    ]),
  );
}

/** A line for each concurrency; where it meets 1 is its break-even; the upright line is where the draft is. */
function plot(points: readonly LatencyPoint[], at: number, blockSize: number): Html {
  const most = Math.max(1.2, ...points.map((point) => speedupOf(point, blockSize)));
  const x = (tokens: number): number => LEFT + ((tokens - 1) / (blockSize - 1)) * (WIDTH - LEFT - RIGHT);
  const y = (speedup: number): number => HEIGHT - BOTTOM - (speedup / most) * (HEIGHT - TOP - BOTTOM);
  const lines = points.flatMap((point) => {
    const end = speedupOf(point, blockSize);
    const even = breakEvenOf(point);
    const ends = `${place(x(1))},${place(y(speedupOf(point, 1)))} ${place(x(blockSize))},${place(y(end))}`;
    return [
      html`<polyline class="curve" points="${ends}"/>`,
      text(x(blockSize) + 4, y(end) + 4, `${point.concurrency} seq.`),
      ...(even >= 1 && even <= blockSize
        ? [
            html`<circle class="bar" cx="${place(x(even))}" cy="${place(y(1))}" r="3.5"><title>${`${point.concurrency} sequences break even at ${fixed(even)} tokens per step`}</title></circle>`,
          ]
        : []),
    ];
  });
  const ticks = Array.from({ length: blockSize }, (_, tick) => text(x(tick + 1) - 3, HEIGHT - 18, String(tick + 1)));
  const label = `speedup over tokens per step; the draft brings ${fixed(at)}`;
  return html`<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${label}">
<line class="axis" x1="${LEFT}" y1="${HEIGHT - BOTTOM}" x2="${WIDTH - RIGHT}" y2="${HEIGHT - BOTTOM}"/>
<line class="axis" x1="${LEFT}" y1="${place(y(1))}" x2="${WIDTH - RIGHT}" y2="${place(y(1))}" stroke-dasharray="4 3"/>
${text(2, y(1) + 4, "1x")}${text(2, y(most) + 4, `${fixed(most, 1)}x`)}${ticks}${text(LEFT, HEIGHT - 3, "tokens per step")}
${lines}
<line class="axis" x1="${place(x(at))}" y1="${TOP}" x2="${place(x(at))}" y2="${HEIGHT - BOTTOM}"/>${text(x(at) + 4, TOP + 8, `this draft, ${fixed(at)}`)}
</svg>
`;
}

function text(x: number, y: number, words: string): Html {
  return html`<text x="${place(x)}" y="${place(y)}">${words}</text>`;
}

/** One decimal, for short and reproducible output. */
function place(value: number): Html {
  return new Html(String(Math.round(value * 10) / 10));
}
