/** Renders the report as a page: checks, findings, and the first differing tokens side by side. */
import { historyFacts } from "../../../dialogue/index.js";
import { type Html, html, keyFigures, objectTable, page, table, tokenTable, visible } from "../../../report/index.js";
import type { Finding } from "../findings.js";
import { shareText } from "../share.js";
import { type CheckState, statesText } from "../states.js";
import type { ReportData } from "./data.js";

export function pageOf(data: ReportData): string {
  const { verdict, stoppedEarly, checks, counts, findings } = data;
  const early = stoppedEarly
    ? html`<p class="quiet">Stopped at the first disagreement: counts cover only what came before it.</p>`
    : undefined;
  return page(
    `validate: ${verdict}`,
    html`<h1>validate: <span class="${verdict === "good" ? "good" : "bad"}">${verdict === "good" ? "everything that was checked agrees" : "there are disagreements"}</span></h1>\n`,
    html`<p class="quiet">checked ${data.inputs.join(", ") || "no data"}</p>\n`,
    early,
    keyFigures([
      { label: "prompts equal, here and by the server", value: shareText(counts.promptsEqual, counts.promptsCompared) },
      ...(counts.promptsCounted === 0
        ? []
        : [{ label: "prompts by count alone, not compared", value: counts.promptsCounted }]),
      {
        label: "prompts equal to the live server's",
        value: shareText(counts.livePromptsEqual, counts.livePromptsCompared),
      },
      { label: "errors", value: counts.errors },
      { label: "dialogues", value: counts.dialogues },
      { label: "turns", value: counts.turns },
      { label: "rows", value: counts.rows },
    ]),
    html`<h2>Checks</h2>\n<p>${statesText(checks)}</p>\n`,
    checksTable(checks, stoppedEarly),
    findings.length === 0 ? undefined : html`<h2>Findings</h2>\n${findings.map(findingOf)}`,
    html`<h2>System prompts in the data</h2>\n`,
    promptsTable(data.systemPrompts),
    html`<h2>Declared for inference</h2>\n`,
    objectTable({ ...data.declared, history: historyFacts(data.declared.history) }),
    html`<h2>Model directory</h2>\n`,
    objectTable(data.model),
    listOf("Notes on the model directory", data.notes),
    listOf("Rules and versions", data.rules),
    html`<h2>Counts</h2>\n`,
    objectTable(counts),
  );
}

function checksTable(checks: readonly CheckState[], stoppedEarly: boolean): Html {
  const rows = checks.map((state) => {
    const { check, says, looked, reason } = state;
    return [
      check,
      stateOf(state, stoppedEarly),
      looked,
      reason === undefined ? says : html`${says}<br><span class="quiet">${reason}</span>`,
    ];
  });
  return table(
    [{ name: "check" }, { name: "state" }, { name: "items checked", isNumber: true }, { name: "what must hold" }],
    rows,
  );
}

function stateOf({ state, errors, warnings }: CheckState, stoppedEarly: boolean): Html {
  if (state === "wrong") return html`<span class="bad">${errors} wrong</span>`;
  if (state === "warnings") return html`<span class="warn">${warnings} warnings</span>`;
  if (state === "not-run") return html`<span class="quiet">not run</span>`;
  return html`<span class="good">${stoppedEarly ? "ok so far" : "ok"}</span>`;
}

function findingOf({ check, severity, message, place, frame, window }: Finding): Html {
  const where = Object.entries(place).map(([name, value]) => `${name} ${value}`);
  const shown =
    window !== undefined ? tokenTable(window) : frame === undefined ? undefined : html`<pre>${frame}</pre>\n`;
  return html`<div class="finding ${severity === "error" ? "bad" : "warn"}"><h3>${severity} in ${check}</h3><p>${message}</p><p class="quiet">${where.join(", ")}</p>${shown}</div>\n`;
}

function promptsTable({ distinct, most }: ReportData["systemPrompts"]): Html {
  const rows = most.map(({ text, dialogues }) => [
    dialogues,
    text === null ? html`<span class="quiet">no system prompt</span>` : html`<code>${visible(text)}</code>`,
  ]);
  return html`<p>${distinct} different</p>\n${table([{ name: "dialogues", isNumber: true }, { name: "system prompt" }], rows)}`;
}

function listOf(title: string, items: readonly string[]): Html | undefined {
  if (items.length === 0) return undefined;
  const rows = items.map((item) => html`<li>${item}</li>\n`);
  return html`<h2>${title}</h2>\n<ul>\n${rows}</ul>\n`;
}
