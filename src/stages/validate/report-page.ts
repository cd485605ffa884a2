/** The verdict as a page for people: what was checked, what disagrees, and the first differing tokens side by side. */
import type { JsonObject, JsonValue } from "../../base/index.js";
import { type Html, html, keyFigures, objectTable, page, table, tokenTable, visible } from "../../report/index.js";
import type { Finding } from "./findings.js";
import { shareText } from "./share.js";
import { type CheckState, statesText } from "./states.js";
import type { Subject } from "./subject.js";

/** @param json - the report as machines read it; all that the page shows is in it, or in the subject that it was made from */
export function pageOf(
  subject: Subject,
  json: JsonObject,
  { verdict, stoppedEarly, checks }: { verdict: "good" | "bad"; stoppedEarly: boolean; checks: readonly CheckState[] },
): string {
  const { counts, findings } = subject;
  const early = stoppedEarly
    ? html`<p class="quiet">Stopped at the first disagreement: counts cover only what came before it.</p>`
    : undefined;
  return page(
    `validate: ${verdict}`,
    html`<h1>validate: <span class="${verdict === "good" ? "good" : "bad"}">${verdict === "good" ? "everything that was looked at agrees" : "there is disagreement"}</span></h1>\n`,
    html`<p class="quiet">looked at ${(json.inputs as string[]).join(", ") || "no data"}</p>\n`,
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
      { label: "errors", value: findings.errors },
      { label: "dialogues", value: counts.dialogues },
      { label: "turns", value: counts.turns },
      { label: "rows", value: counts.rows },
    ]),
    html`<h2>Checks</h2>\n<p>${statesText(checks)}</p>\n`,
    checksTable(checks, stoppedEarly),
    findings.shown.length === 0 ? undefined : html`<h2>Findings</h2>\n${findings.shown.map(findingOf)}`,
    html`<h2>System prompts in the data</h2>\n`,
    promptsTable(json.systemPrompts as JsonObject),
    html`<h2>Declared for inference</h2>\n`,
    objectTable(json.declared as JsonObject),
    html`<h2>Model directory</h2>\n`,
    objectTable(json.model as JsonObject),
    listOf("Notes on the model directory", json.notes as JsonValue[]),
    listOf("Rules and versions", json.rules as JsonValue[]),
    html`<h2>Counts</h2>\n`,
    objectTable(json.counts as JsonObject),
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
    [{ name: "check" }, { name: "state" }, { name: "looked at", isNumber: true }, { name: "what must hold" }],
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

function promptsTable(summary: JsonObject): Html {
  const most = summary.most as { text: string | null; dialogues: number }[];
  const rows = most.map(({ text, dialogues }) => [
    dialogues,
    text === null ? html`<span class="quiet">no system prompt</span>` : html`<code>${visible(text)}</code>`,
  ]);
  return html`<p>${Number(summary.distinct)} different</p>\n${table([{ name: "dialogues", isNumber: true }, { name: "system prompt" }], rows)}`;
}

function listOf(title: string, items: readonly JsonValue[]): Html | undefined {
  if (items.length === 0) return undefined;
  const rows = items.map(
    (item) => html`<li>${typeof item === "string" ? item : objectTable(item as JsonObject)}</li>\n`,
  );
  return html`<h2>${title}</h2>\n<ul>\n${rows}</ul>\n`;
}
