/** Two runs side by side. */
import { type JsonValue, stringifyJson } from "../../base/index.js";
import { formatNumber, formatSeconds } from "../../events/index.js";
import { fixed, type Html, html, page, range, signed, table } from "../../report/index.js";
import type { RunReport, StepReport } from "./data.js";
import { acceptLengthOf } from "./page.js";

export function comparisonPage(one: RunReport, other: RunReport): string {
  const names = [...new Set([...one.steps, ...other.steps].map(({ name }) => name))];
  const pairs = names.map((name) => [name, stepOf(one, name), stepOf(other, name)] as const);
  return page(
    `${one.run} and ${other.run}`,
    html`<h1>Two runs of ${[...new Set([one.pipeline, other.pipeline])].join(" and ")}</h1>\n`,
    sideBySide(one, other, [
      ["run", one.run, other.run],
      ["outcome", one.outcome, other.outcome],
      ["started", one.started, other.started],
      ["time", formatSeconds(one.seconds), formatSeconds(other.seconds)],
    ]),
    html`<h2>Accept length on held-out rows</h2>\n`,
    acceptLengths(pairs),
    html`<h2>What differs in the settings</h2>\n`,
    settingsTable(one, other),
    html`<h2>Data</h2>\n`,
    table(
      [{ name: "step" }, ...["read", "kept", "read", "kept"].map((name) => ({ name, isNumber: true }))],
      pairs.map(([name, a, b]) => [name, counted(a?.read), counted(a?.kept), counted(b?.read), counted(b?.kept)]),
    ),
    html`<h2>Results</h2>\n`,
    resultsTable(pairs),
    html`<h2>Times</h2>\n`,
    sideBySide(
      one,
      other,
      pairs.map(([name, a, b]) => [name, timeOf(a), timeOf(b)]),
    ),
  );
}

type Pair = readonly [name: string, one: StepReport | undefined, other: StepReport | undefined];

function stepOf(run: RunReport, name: string): StepReport | undefined {
  return run.steps.find((step) => step.name === name);
}

function sideBySide(one: RunReport, other: RunReport, rows: readonly (readonly [string, string, string])[]): Html {
  const heads = one.run === other.run ? ["first", "second"] : [one.run, other.run];
  return table([{ name: "what" }, ...heads.map((name) => ({ name }))], rows);
}

function acceptLengths(pairs: readonly Pair[]): Html {
  const rows = pairs.flatMap(([name, a, b]) => {
    const [left, right] = [a && acceptLengthOf(a), b && acceptLengthOf(b)];
    if (left === undefined && right === undefined) return [];
    const shown = (value: typeof left): string => {
      if (value === undefined) return "";
      return `${fixed(value.value)}${value.interval === undefined ? "" : ` (${range(value.interval)})`}`;
    };
    const apart = left === undefined || right === undefined ? "" : signed(right.value - left.value);
    return [[name, shown(left), shown(right), apart, verdict(left?.interval, right?.interval)]];
  });
  if (rows.length === 0) return html`<p class="quiet">Neither run measured one.</p>\n`;
  const columns = ["step", "first", "second", "second less first", "95 % intervals"].map((name) => ({ name }));
  return html`${table(columns, rows)}<p class="quiet">Intervals are of each run alone. Drafts on the same rows are told apart more sharply by a paired comparison: evaluate both in one step (<code>compareDrafts</code>).</p>\n`;
}

function verdict(one: readonly [number, number] | undefined, other: readonly [number, number] | undefined): string {
  if (one === undefined || other === undefined) return "";
  return one[1] < other[0] || other[1] < one[0] ? "do not overlap" : "overlap";
}

function settingsTable(one: RunReport, other: RunReport): Html {
  const [left, right] = [leaves(one.settings as JsonValue), leaves(other.settings as JsonValue)];
  const changed = [...new Set([...left.keys(), ...right.keys()])].filter((key) => left.get(key) !== right.get(key));
  if (changed.length === 0) return html`<p class="good">All options of all steps are equal.</p>\n`;
  const rows = changed.map((key) => [html`<code>${key}</code>`, left.get(key) ?? "", right.get(key) ?? ""]);
  return table([{ name: "option" }, { name: "first" }, { name: "second" }], rows);
}

/** Options by path; lists count as one value. */
function leaves(value: JsonValue, path = ""): Map<string, string> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return new Map([[path, stringifyJson(value)]]);
  return new Map(
    Object.entries(value).flatMap(([key, inner]) => [
      ...leaves(inner as JsonValue, path === "" ? key : `${path}.${key}`).entries(),
    ]),
  );
}

function resultsTable(pairs: readonly Pair[]): Html {
  const rows = pairs.flatMap(([name, a, b]) => {
    const labels = [...new Set([...(a?.summary ?? []), ...(b?.summary ?? [])].map(({ label }) => label))];
    const textOf = (step: StepReport | undefined, label: string): string =>
      step?.summary.find((row) => row.label === label)?.value ?? "";
    return labels.map((label) => [name, label, textOf(a, label), textOf(b, label)]);
  });
  return table(
    ["step", "what", "first", "second"].map((name) => ({ name })),
    rows,
  );
}

function counted(value: number | null | undefined): string {
  return value === null || value === undefined ? "" : formatNumber(value);
}

function timeOf(step: StepReport | undefined): string {
  if (step === undefined) return "";
  return step.state === "done" ? formatSeconds(step.seconds) : step.state;
}
