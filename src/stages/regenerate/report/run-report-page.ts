/** The report of a run as a page: a pure function of its figures, so that a finished run can be drawn again. */
import { formatNumber, formatSeconds, type ReasonCounts } from "../../../events/index.js";
import { curve, type Html, histogram, html, keyFigures, objectTable, page, table } from "../../../report/index.js";
import type { HistogramData, RunReportData, ServerData } from "./run-report-data.js";

export function runReportPage(figures: RunReportData): string {
  const { counts, ends, outcome, recheck, seconds, skipped } = figures;
  const earlier =
    skipped === 0
      ? undefined
      : html`<p class="warn">${formatNumber(skipped)} dialogues had been finished before this run; everything but the account of the artifact and the re-check covers this run only.</p>\n`;
  const answers = figures.answerTokens.count;
  const silence = figures.latencySeconds.count > 0 ? undefined : html`<p class="warn">${whyNoAnswer(figures)}</p>\n`;
  const counted = figures.countedAnswers;
  return page(
    "regenerate",
    html`<h1>regenerate: <span class="${outcome === "done" ? "good" : "warn"}">${outcome}</span></h1>\n`,
    earlier,
    silence,
    keyFigures([
      { label: "time of this run", value: formatSeconds(seconds) },
      { label: "answers", value: formatNumber(answers) },
      ...(counted === 0 ? [] : [{ label: "answers with ids by count alone", value: formatNumber(counted) }]),
      { label: "answers/s", value: formatNumber(answers / Math.max(seconds, 0.001)) },
      { label: "dialogues done", value: formatNumber(ends.done) },
      { label: "ended early", value: formatNumber(ends.partial) },
      { label: "rejected", value: formatNumber(ends.rejected) },
      { label: "failed", value: formatNumber(ends.failed) },
    ]),
    counts === null ? undefined : html`<h2>The artifact</h2>\n${objectTable(counts)}`,
    reasonsTable("Why dialogues ended early", figures.reasons),
    reasonsTable("Why questions were asked again", figures.retries),
    promptsPart(figures),
    recheckPart(recheck),
    html`<h2>Servers</h2>\n`,
    recheck === null
      ? undefined
      : html`<p class="quiet">Servers, seconds and the curve cover the questions of the re-check as well.</p>\n`,
    serversTable(figures.servers),
    html`<h2>Rates and lengths</h2>\n<div class="charts">\n`,
    html`<div><h3>Answer tokens per second</h3>\n${curve(ratesOf(figures), "answer tokens/s")}</div>\n`,
    chartOf("Tokens of an answer", figures.answerTokens, "tokens"),
    chartOf("Tokens of a prompt", figures.promptTokens, "tokens"),
    chartOf("Turns of a dialogue", figures.turnsPerDialogue, "turns"),
    chartOf("Seconds for an answer", figures.latencySeconds, "s"),
    html`</div>\n`,
    html`<h2>Slowest requests</h2>\n`,
    slowestTable(figures),
    html`<p class="quiet">Percentiles are upper bounds of bins that grow by a quarter of an octave.</p>\n`,
  );
}

function whyNoAnswer({ retries, ends }: RunReportData): string {
  const attempts = Object.values(retries).reduce((sum, times) => sum + times, 0);
  if (attempts > 0) return `No question got an answer in this run: all ${formatNumber(attempts)} attempts failed.`;
  const ended = Object.values(ends).reduce((sum, dialogues) => sum + dialogues, 0);
  return ended > 0 ? "No dialogue of this run had a question to ask." : "No question was answered in this run.";
}

function promptsPart({ prompts }: RunReportData): Html | undefined {
  const { compared, notRendered, differing } = prompts;
  const unrendered = Object.values(notRendered).reduce((sum, turns) => sum + turns, 0);
  if (compared + unrendered + Object.keys(differing).length === 0) return undefined;
  const words =
    unrendered === 0
      ? `${formatNumber(compared)} prompts are equal to the model directory's.`
      : `${formatNumber(compared)} prompts are equal to the model directory's; ${formatNumber(unrendered)} could not be rendered here.`;
  return html`<h2>Prompts compared</h2>\n<p class="quiet">${words}</p>\n${reasonsTable("Prompts that could not be rendered here", notRendered)}${reasonsTable("Answers not used, because the server rendered another prompt", differing, "server")}`;
}

function recheckPart(recheck: RunReportData["recheck"]): Html | undefined {
  if (recheck === null) return undefined;
  const { turns, equal, earlierTurns, firstDifferences, pairs } = recheck;
  const rows = pairs.map((pair) => {
    const first = pair.first === "" ? "an earlier run" : pair.first;
    return [first, pair.again, formatNumber(pair.turns), formatNumber(pair.equal), shareOf(pair)];
  });
  const earlier = earlierTurns === 0 ? "" : `, ${formatNumber(earlierTurns)} of them checked before this run`;
  const columns = [
    { name: "answered by" },
    { name: "asked again on" },
    number("turns"),
    number("equal"),
    number("share"),
  ];
  return html`<h2>Asked again: ${shareOf({ turns, equal })} equal</h2>\n<p class="quiet">${formatNumber(equal)} of ${formatNumber(turns)} turns${earlier}</p>\n${table(columns, rows)}${chartOf("Where the first difference lies", firstDifferences, "tokens before it")}`;
}

/** Never rounded up to all. */
function shareOf({ turns, equal }: { turns: number; equal: number }): string {
  return turns === 0 ? "none" : `${Math.floor((equal / turns) * 10_000) / 100} %`;
}

function serversTable(servers: readonly ServerData[]): Html {
  const columns = [
    "answers",
    "prompt tokens",
    "answer tokens",
    "p50 s",
    "p95 s",
    "p99 s",
    "longest prompt",
    "prompt limit",
  ];
  return table(
    [{ name: "server" }, ...columns.map(number), { name: "faults" }, { name: "out of work at the end" }],
    servers.map(({ name, latencySeconds, promptTokens, answerTokens, faults, longestPrompt, promptLimit, trouble }) => [
      name,
      ...[latencySeconds.count, promptTokens, answerTokens].map(formatNumber),
      ...[latencySeconds.p50, latencySeconds.p95, latencySeconds.p99].map((seconds) => seconds.toFixed(3)),
      formatNumber(longestPrompt),
      promptLimit === null ? "" : formatNumber(promptLimit),
      sorted(faults).map(([reason, count]) => html`<div>${`${reason} ${formatNumber(count)}`}</div>`),
      trouble,
    ]),
  );
}

function slowestTable({ slowest }: RunReportData): Html {
  return table(
    [{ name: "dialogue" }, ...["turn", "seconds", "prompt", "answer"].map(number), { name: "server" }],
    slowest.map(({ dialogue, turn, server, isRecheck, seconds, promptTokens, answerTokens }) => [
      [dialogue, isRecheck ? html` <span class="quiet">(re-check)</span>` : undefined],
      turn,
      seconds.toFixed(2),
      formatNumber(promptTokens),
      formatNumber(answerTokens),
      server,
    ]),
  );
}

function reasonsTable(title: string, counts: ReasonCounts, column = "reason"): Html | undefined {
  const rows = sorted(counts).map(([reason, count]) => [reason, formatNumber(count)]);
  if (rows.length === 0) return undefined;
  return html`<h2>${title}</h2>\n${table([{ name: column }, number("times")], rows)}`;
}

function chartOf(title: string, values: HistogramData, unit: string): Html {
  const { mean, p50, p95, max } = values;
  const words = `mean ${formatNumber(mean)}, median ${formatNumber(p50)}, 95 % up to ${formatNumber(p95)}, largest ${formatNumber(max)}`;
  return html`<div><h3>${title}</h3>\n<p class="quiet">${values.count === 0 ? "none" : words}</p>\n${histogram(values.bins, unit)}</div>\n`;
}

/** From sums to rates between the points. */
function ratesOf({ points }: RunReportData): { seconds: number; value: number }[] {
  return points.slice(1).map((point, at) => {
    const before = points[at]!;
    return {
      seconds: point.seconds,
      value: (point.tokens - before.tokens) / Math.max(point.seconds - before.seconds, 0.001),
    };
  });
}

function number(name: string): { name: string; isNumber: true } {
  return { name, isNumber: true };
}

function sorted(counts: ReasonCounts): [string, number][] {
  return Object.entries(counts).sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
}
