/** A run's report as a page: what happened, what each server did, which requests were slow. From its figures alone. */
import { formatNumber, formatSeconds, type ReasonCounts } from "../../../events/index.js";
import { curve, type Html, histogram, html, keyFigures, page, table } from "../../../report/index.js";
import type { HistogramData, RunReportData } from "./run-report-data.js";

export function runReportPage(data: RunReportData): string {
  const { outcome, seconds, counts, ends, skipped, slowest, recheck } = data;
  const earlier =
    skipped === 0
      ? undefined
      : html`<p class="warn">${formatNumber(skipped)} dialogues had been finished before this run; all but the account of the artifact and the re-check covers this run only.</p>\n`;
  const answers = data.answerTokens.count;
  const silence = data.latencySeconds.count > 0 ? undefined : html`<p class="warn">${whyNoAnswer(data)}</p>\n`;
  return page(
    "regenerate",
    html`<h1>regenerate: <span class="${outcome === "done" ? "good" : "warn"}">${outcome}</span></h1>\n`,
    earlier,
    silence,
    keyFigures([
      { label: "time of this run", value: formatSeconds(seconds) },
      { label: "answers", value: formatNumber(answers) },
      ...(data.countedAnswers === 0
        ? []
        : [{ label: "answers with ids by count alone", value: formatNumber(data.countedAnswers) }]),
      { label: "answers/s", value: formatNumber(answers / Math.max(seconds, 0.001)) },
      { label: "dialogues done", value: formatNumber(ends.done) },
      { label: "ended early", value: formatNumber(ends.partial) },
      { label: "rejected", value: formatNumber(ends.rejected) },
      { label: "failed", value: formatNumber(ends.failed) },
    ]),
    counts === null ? undefined : html`<h2>The artifact</h2>\n<pre>${JSON.stringify(counts, null, 2)}</pre>\n`,
    reasonsTable("Why dialogues ended otherwise", data.reasons),
    reasonsTable("Why questions were asked again", data.retries),
    recheckPart(recheck),
    html`<h2>Servers</h2>\n`,
    recheck === null
      ? undefined
      : html`<p class="quiet">Servers, seconds and the curve cover the questions of the re-check as well.</p>\n`,
    serversTable(data.servers),
    html`<h2>Answer tokens a second</h2>\n`,
    curve(ratesOf(data), "answer tokens/s"),
    chartOf("Tokens of an answer", data.answerTokens, "tokens"),
    chartOf("Tokens of a prompt", data.promptTokens, "tokens"),
    chartOf("Turns of a dialogue", data.turnsPerDialogue, "turns"),
    chartOf("Seconds for an answer", data.latencySeconds, "s"),
    html`<h2>Slowest requests</h2>\n`,
    table(
      [
        { name: "dialogue" },
        { name: "turn", isNumber: true },
        { name: "seconds", isNumber: true },
        { name: "prompt", isNumber: true },
        { name: "answer", isNumber: true },
        { name: "server" },
      ],
      slowest.map(({ dialogue, turn, server, isRecheck, ...numbers }) => [
        [dialogue, isRecheck ? html` <span class="quiet">(re-check)</span>` : undefined],
        turn,
        numbers.seconds.toFixed(2),
        formatNumber(numbers.promptTokens),
        formatNumber(numbers.answerTokens),
        server,
      ]),
    ),
    html`<p class="quiet">Percentiles are the largest values of bins that grow by a quarter of an octave.</p>\n`,
  );
}

function whyNoAnswer({ retries, ends }: RunReportData): string {
  const attempts = Object.values(retries).reduce((sum, times) => sum + times, 0);
  if (attempts > 0) return `No question got an answer in this run: all ${formatNumber(attempts)} attempts failed.`;
  const ended = Object.values(ends).reduce((sum, dialogues) => sum + dialogues, 0);
  return ended > 0 ? "No dialogue of this run had a question to ask." : "No question was answered in this run.";
}

function recheckPart(recheck: RunReportData["recheck"]): Html | undefined {
  if (recheck === null) return undefined;
  const { turns, equal, earlierTurns, firstDifferences, pairs } = recheck;
  const number = (name: string) => ({ name, isNumber: true });
  const rows = pairs.map((pair) => {
    const first = pair.first === "" ? "an earlier run" : pair.first;
    return [first, pair.again, formatNumber(pair.turns), formatNumber(pair.equal), shareOf(pair)];
  });
  return html`<h2>Asked again: ${shareOf({ turns, equal })} equal</h2>\n<p class="quiet">${formatNumber(equal)} of ${formatNumber(turns)} turns${earlierTurns === 0 ? "" : `, ${formatNumber(earlierTurns)} of them checked before this run`}</p>\n${table([{ name: "answered by" }, { name: "asked again on" }, number("turns"), number("equal"), number("share")], rows)}${chartOf("Where the first difference lies", firstDifferences, "tokens before it")}`;
}

/** Never rounded up to all. */
function shareOf({ turns, equal }: { turns: number; equal: number }): string {
  return turns === 0 ? "none" : `${Math.floor((equal / turns) * 10_000) / 100} %`;
}

function serversTable(servers: RunReportData["servers"]): Html {
  const number = (name: string) => ({ name, isNumber: true });
  const columns = ["answers", "prompt tokens", "answer tokens", "p50 s", "p95 s", "p99 s", "longest prompt"].map(
    number,
  );
  return table(
    [{ name: "server" }, ...columns, { name: "faults" }],
    servers.map(({ name, latencySeconds, promptTokens, answerTokens, faults, longestPrompt }) => [
      name,
      ...[latencySeconds.count, promptTokens, answerTokens].map(formatNumber),
      ...[latencySeconds.p50, latencySeconds.p95, latencySeconds.p99].map((seconds) => seconds.toFixed(3)),
      longestPrompt === null ? "" : formatNumber(longestPrompt),
      sorted(faults).map(([reason, count]) => html`<div>${`${reason} ${formatNumber(count)}`}</div>`),
    ]),
  );
}

function reasonsTable(title: string, counts: ReasonCounts): Html | undefined {
  const rows = sorted(counts).map(([reason, count]) => [reason, formatNumber(count)]);
  if (rows.length === 0) return undefined;
  return html`<h2>${title}</h2>\n${table([{ name: "reason" }, { name: "times", isNumber: true }], rows)}`;
}

function chartOf(title: string, { count, mean, p50, p95, max, bins }: HistogramData, unit: string): Html {
  const told = `mean ${formatNumber(mean)}, median ${formatNumber(p50)}, 95 % up to ${formatNumber(p95)}, largest ${formatNumber(max)}`;
  return html`<h2>${title}</h2>\n<p class="quiet">${count === 0 ? "none" : told}</p>\n${histogram(bins, unit)}`;
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

function sorted(counts: ReasonCounts): [string, number][] {
  return Object.entries(counts).sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
}
