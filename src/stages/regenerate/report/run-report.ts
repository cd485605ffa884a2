/** The report of a run: report.json for machines, report.html for people. Beside the artifact, since it tells times. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fromErrno, type JsonObject } from "../../../base/index.js";
import { formatNumber, formatSeconds, type ReasonCounts } from "../../../events/index.js";
import { curve, type Html, histogram, html, keyFigures, page, table } from "../../../report/index.js";
import type { LogHistogram } from "./log-histogram.js";
import type { Statistics } from "./statistics.js";

export interface RunFacts {
  outcome: "done" | "stopped";
  seconds: number;
  /** Counts of the finished artifact; undefined where the run was stopped. */
  counts: JsonObject | undefined;
  /** Tokens of the longest prompt that each server takes, where it says so. */
  longestPrompts: ReadonlyMap<string, number | undefined>;
}

/** @throws DraftsmithError DISK_FULL, DISK_FAILED */
export async function writeRunReport(directory: string, statistics: Statistics, facts: RunFacts): Promise<void> {
  try {
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, "report.json"), `${JSON.stringify(jsonOf(statistics, facts), null, 2)}\n`);
    await writeFile(join(directory, "report.html"), pageOf(statistics, facts));
  } catch (error) {
    throw fromErrno(error, directory, { use: "write" });
  }
}

function jsonOf(statistics: Statistics, { outcome, seconds, counts, longestPrompts }: RunFacts): JsonObject {
  const { servers, ends, reasons, retries, slowest, points, skipped } = statistics;
  return {
    outcome,
    seconds,
    counts: counts ?? null,
    skipped,
    ends,
    reasons,
    retries,
    countedAnswers: statistics.counted,
    promptTokens: summaryOf(statistics.promptTokens),
    answerTokens: summaryOf(statistics.answerTokens),
    turnsPerDialogue: summaryOf(statistics.turnsPerDialogue),
    latencySeconds: summaryOf(statistics.seconds),
    recheck: recheckOf(statistics),
    servers: [...servers].sort(byName).map(([name, own]) => ({
      name,
      latencySeconds: summaryOf(own.seconds),
      promptTokens: own.promptTokens,
      answerTokens: own.answerTokens,
      faults: own.faults,
      longestPrompt: longestPrompts.get(name) ?? null,
    })),
    slowest: slowest.map((request) => ({ ...request })),
    points: points.map((point) => ({ ...point })),
  };
}

/** Of all checks, those of earlier runs of the same work included; null where there were none. */
function recheckOf({
  recheck: { turns, equal, earlierTurns, firstDifferences, pairs },
}: Statistics): JsonObject | null {
  if (turns === 0) return null;
  const sortedPairs = [...pairs].sort(byName).map(([, pair]) => ({ ...pair }));
  return { turns, equal, earlierTurns, firstDifferences: summaryOf(firstDifferences), pairs: sortedPairs };
}

function summaryOf(bins: LogHistogram): JsonObject {
  return {
    count: bins.count,
    mean: bins.mean,
    p50: bins.percentile(0.5),
    p95: bins.percentile(0.95),
    p99: bins.percentile(0.99),
    max: bins.max,
    bins: bins.bins().map((bin) => ({ ...bin })),
  };
}

function pageOf(statistics: Statistics, { outcome, seconds, counts, longestPrompts }: RunFacts): string {
  const { ends, skipped, slowest } = statistics;
  const earlier =
    skipped === 0
      ? undefined
      : html`<p class="warn">${formatNumber(skipped)} dialogues had been finished before this run; all but the account of the artifact and the re-check covers this run only.</p>\n`;
  const answers = statistics.answerTokens.count;
  const silence = statistics.seconds.count > 0 ? undefined : html`<p class="warn">${whyNoAnswer(statistics)}</p>\n`;
  return page(
    "regenerate",
    html`<h1>regenerate: <span class="${outcome === "done" ? "good" : "warn"}">${outcome}</span></h1>\n`,
    earlier,
    silence,
    keyFigures([
      { label: "time of this run", value: formatSeconds(seconds) },
      { label: "answers", value: formatNumber(answers) },
      ...(statistics.counted === 0
        ? []
        : [{ label: "answers with ids by count alone", value: formatNumber(statistics.counted) }]),
      { label: "answers/s", value: formatNumber(answers / Math.max(seconds, 0.001)) },
      { label: "dialogues done", value: formatNumber(ends.done) },
      { label: "ended early", value: formatNumber(ends.partial) },
      { label: "rejected", value: formatNumber(ends.rejected) },
      { label: "failed", value: formatNumber(ends.failed) },
    ]),
    counts === undefined ? undefined : html`<h2>The artifact</h2>\n<pre>${JSON.stringify(counts, null, 2)}</pre>\n`,
    reasonsTable("Why dialogues ended otherwise", statistics.reasons),
    reasonsTable("Why questions were asked again", statistics.retries),
    recheckPart(statistics),
    html`<h2>Servers</h2>\n`,
    statistics.recheck.turns === 0
      ? undefined
      : html`<p class="quiet">Servers, seconds and the curve cover the questions of the re-check as well.</p>\n`,
    serversTable(statistics, longestPrompts),
    html`<h2>Answer tokens a second</h2>\n`,
    curve(ratesOf(statistics), "answer tokens/s"),
    chartOf("Tokens of an answer", statistics.answerTokens, "tokens"),
    chartOf("Tokens of a prompt", statistics.promptTokens, "tokens"),
    chartOf("Turns of a dialogue", statistics.turnsPerDialogue, "turns"),
    chartOf("Seconds for an answer", statistics.seconds, "s"),
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

function whyNoAnswer({ retries, ends }: Statistics): string {
  const attempts = Object.values(retries).reduce((sum, times) => sum + times, 0);
  if (attempts > 0) return `No question got an answer in this run: all ${formatNumber(attempts)} attempts failed.`;
  const ended = Object.values(ends).reduce((sum, dialogues) => sum + dialogues, 0);
  return ended > 0 ? "No dialogue of this run had a question to ask." : "No question was answered in this run.";
}

function recheckPart({ recheck }: Statistics): Html | undefined {
  const { turns, equal, earlierTurns, firstDifferences, pairs } = recheck;
  if (turns === 0) return undefined;
  const number = (name: string) => ({ name, isNumber: true });
  const rows = [...pairs].sort(byName).map(([, pair]) => {
    const first = pair.first === "" ? "an earlier run" : pair.first;
    return [first, pair.again, formatNumber(pair.turns), formatNumber(pair.equal), shareOf(pair)];
  });
  return html`<h2>Asked again: ${shareOf({ turns, equal })} equal</h2>\n<p class="quiet">${formatNumber(equal)} of ${formatNumber(turns)} turns${earlierTurns === 0 ? "" : `, ${formatNumber(earlierTurns)} of them checked before this run`}</p>\n${table([{ name: "answered by" }, { name: "asked again on" }, number("turns"), number("equal"), number("share")], rows)}${chartOf("Where the first difference lies", firstDifferences, "tokens before it")}`;
}

/** Never rounded up to all. */
function shareOf({ turns, equal }: { turns: number; equal: number }): string {
  return turns === 0 ? "none" : `${Math.floor((equal / turns) * 10_000) / 100} %`;
}

function serversTable({ servers }: Statistics, longestPrompts: RunFacts["longestPrompts"]): Html {
  const number = (name: string) => ({ name, isNumber: true });
  const columns = ["answers", "prompt tokens", "answer tokens", "p50 s", "p95 s", "p99 s", "longest prompt"].map(
    number,
  );
  return table(
    [{ name: "server" }, ...columns, { name: "faults" }],
    [...servers]
      .sort(byName)
      .map(([name, { seconds, promptTokens, answerTokens, faults }]) => [
        name,
        ...[seconds.count, promptTokens, answerTokens].map(formatNumber),
        ...[0.5, 0.95, 0.99].map((share) => seconds.percentile(share).toFixed(3)),
        formatLimit(longestPrompts.get(name)),
        sorted(faults).map(([reason, count]) => html`<div>${`${reason} ${formatNumber(count)}`}</div>`),
      ]),
  );
}

function formatLimit(tokens: number | undefined): string {
  return tokens === undefined ? "" : formatNumber(tokens);
}

function reasonsTable(title: string, counts: ReasonCounts): Html | undefined {
  const rows = sorted(counts).map(([reason, count]) => [reason, formatNumber(count)]);
  if (rows.length === 0) return undefined;
  return html`<h2>${title}</h2>\n${table([{ name: "reason" }, { name: "times", isNumber: true }], rows)}`;
}

function chartOf(title: string, bins: LogHistogram, unit: string): Html {
  const told = `mean ${formatNumber(bins.mean)}, median ${formatNumber(bins.percentile(0.5))}, 95 % up to ${formatNumber(bins.percentile(0.95))}, largest ${formatNumber(bins.max)}`;
  return html`<h2>${title}</h2>\n<p class="quiet">${bins.count === 0 ? "none" : told}</p>\n${histogram(bins.bins(), unit)}`;
}

/** From sums to rates between the points. */
function ratesOf({ points }: Statistics): { seconds: number; value: number }[] {
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

function byName([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}
