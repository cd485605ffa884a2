/** A run as one page: a pure function of its figures and of the pages that stages draw of theirs. */
import { formatNumber, formatSeconds } from "../../events/index.js";
import { embedded, fixed, type Html, html, keyFigures, objectTable, page, range, table } from "../../report/index.js";
import type { RunReport, StepReport } from "./data.js";
import { funnel } from "./funnel.js";
import { runGraph } from "./graph.js";

/** @param pages - of each step's own report, by step: HTML of `page` */
export function runPage(data: RunReport, pages: ReadonlyMap<string, string>): string {
  const { pipeline, outcome, steps, started, seconds, run } = data;
  const cached = steps.filter(({ state }) => state === "cached").length;
  const failures = steps.filter(({ error }) => error !== null);
  return page(
    `${pipeline}: ${outcome}`,
    html`<h1>${pipeline}: <span class="${outcome === "done" ? "good" : "bad"}">${outcome}</span></h1>\n`,
    html`<p class="quiet">${run}, started ${started}</p>\n`,
    keyFigures([
      { label: "time", value: formatSeconds(seconds) },
      { label: "steps", value: formatNumber(steps.length) },
      { label: "of them cached", value: formatNumber(cached) },
      ...headlines(steps),
    ]),
    contents(steps, pages),
    failures.map(
      ({ name, error }) => html`<div class="finding bad"><p><b>${name} failed.</b> ${error ?? ""}</p></div>\n`,
    ),
    html`<h2 id="pipeline">Pipeline</h2>\n<div class="beside">${runGraph(steps)}${timesTable(steps)}</div>\n`,
    html`<h2 id="data">Data</h2>\n`,
    funnel(steps),
    html`<h2 id="results">Results</h2>\n`,
    summaryTable(steps),
    steps.map((step) => stepPart(step, pages.get(step.name))),
    html`<h2 id="versions">Versions</h2>\n`,
    objectTable(JSON.parse(JSON.stringify(data.versions)) as Parameters<typeof objectTable>[0]),
  );
}

/** The accept length on held-out rows, where the run measured one. */
function headlines(steps: readonly StepReport[]): { label: string; value: string }[] {
  return steps.flatMap((step) => {
    const found = acceptLengthOf(step);
    if (found === undefined) return [];
    const within = found.interval === undefined ? "" : ` (${range(found.interval)})`;
    return [{ label: `held-out accept length${within}`, value: fixed(found.value) }];
  });
}

export interface AcceptLength {
  value: number;
  /** 95 %, where the evaluation gave one. */
  interval?: [number, number];
}

/** Of the trained draft. */
export function acceptLengthOf({ stage, figures }: StepReport): AcceptLength | undefined {
  if (stage !== "evaluate") return undefined;
  const trained = member(member(figures, "drafts"), "trained");
  const value = member(trained, "pooledAcceptLength");
  if (typeof value !== "number") return undefined;
  const interval = member(trained, "interval");
  const isPair = Array.isArray(interval) && interval.length === 2 && interval.every((end) => typeof end === "number");
  return isPair ? { value, interval: interval as [number, number] } : { value };
}

function member(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null
    ? Object.entries(value).find(([name]) => name === key)?.[1]
    : undefined;
}

function contents(steps: readonly StepReport[], pages: ReadonlyMap<string, string>): Html {
  const parts = steps.filter(({ name }) => pages.has(name));
  const links = [
    ["pipeline", "Pipeline"],
    ["data", "Data"],
    ["results", "Results"],
    ...parts.map(({ name }) => [anchor(name), name]),
    ["versions", "Versions"],
  ] as const;
  return html`<nav aria-label="Contents">${links.map(([id, name]) => html`<a href="#${id}">${name}</a> `)}</nav>\n`;
}

function timesTable(steps: readonly StepReport[]): Html {
  const columns = [{ name: "step" }, { name: "state" }, { name: "time", isNumber: true }, { name: "why" }];
  const rows = steps.map(({ name, state, seconds, why }) => [
    name,
    html`<span class="${state === "failed" ? "bad" : state === "skipped" ? "warn" : ""}">${state}</span>`,
    state === "done" || state === "failed" ? formatSeconds(seconds) : "",
    why ?? "",
  ]);
  return table(columns, rows);
}

function summaryTable(steps: readonly StepReport[]): Html {
  const rows = steps.flatMap(({ name, summary }) => summary.map(({ label, value }) => [name, label, value]));
  if (rows.length === 0) return html`<p class="quiet">No step of this run summed up its result.</p>\n`;
  return table([{ name: "step" }, { name: "what" }, { name: "result" }], rows);
}

function stepPart({ name }: StepReport, drawn: string | undefined): Html | undefined {
  if (drawn === undefined) return undefined;
  return html`<section id="${anchor(name)}" aria-label="${name}">\n<p class="rule quiet">step ${name}</p>\n${embedded(drawn)}</section>\n`;
}

function anchor(step: string): string {
  return `step-${step}`;
}
