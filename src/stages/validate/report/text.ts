/** Renders the report as text for terminals. */
import type { Finding } from "../findings.js";
import { historyText } from "../history-content.js";
import { shareText } from "../share.js";
import { type CheckState, statesText } from "../states.js";
import type { ReportData } from "./data.js";

export function textOf({ verdict, stoppedEarly, counts, checks, findings }: ReportData): string {
  const lines = [`verdict: ${verdict}${stoppedEarly ? " (stopped at the first disagreement)" : ""}`, ""];
  lines.push(
    `prompts equal, rendered here and by the server: ${shareText(counts.promptsEqual, counts.promptsCompared)}`,
    ...(counts.historyUnchanged + counts.historyTrimmed === 0
      ? []
      : [`earlier answers in the server's prompts: ${historyText(counts)}`]),
  );
  if (counts.promptsCounted > 0) {
    lines.push(`prompts with ids by count alone, not compared with any server's: ${counts.promptsCounted}`);
  }
  if (counts.livePromptsCompared > 0) {
    lines.push(`prompts equal to the live server's: ${shareText(counts.livePromptsEqual, counts.livePromptsCompared)}`);
  }
  const videos = counts.videos === 0 ? "" : `, videos ${counts.videos}`;
  lines.push(`dialogues ${counts.dialogues}, turns ${counts.turns}, rows ${counts.rows}${videos}`, "");
  lines.push(`checks: ${statesText(checks)}`, "");
  for (const state of checks) {
    lines.push(`${state.check.padEnd(20)} ${wordOf(state, stoppedEarly).padEnd(14)} ${state.says}`);
    if (state.reason !== undefined) lines.push(`${" ".repeat(36)}(${state.reason})`);
  }
  for (const finding of findings) lines.push("", ...findingLines(finding));
  return `${lines.join("\n")}\n`;
}

function wordOf({ state, errors, warnings }: CheckState, stoppedEarly: boolean): string {
  if (state === "wrong") return `${errors} WRONG`;
  if (state === "warnings") return `${warnings} warnings`;
  if (state === "not-run") return "not run";
  return stoppedEarly ? "ok so far" : "ok";
}

function findingLines({ check, severity, message, place, frame }: Finding): string[] {
  const where = Object.entries(place).map(([key, value]) => `${key} ${value}`);
  return [
    `${severity} in ${check}: ${message}`,
    ...(where.length === 0 ? [] : [`  at ${where.join(", ")}`]),
    ...(frame === undefined ? [] : frame.split("\n").map((line) => `  ${line}`)),
  ];
}
