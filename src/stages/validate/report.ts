/** The verdict as JSON for machines and as text for people. No times, no addresses: equal inputs, equal reports. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fromErrno, type JsonObject } from "../../base/index.js";
import { systemPromptFacts } from "../../dialogue/index.js";
import { versionNotes } from "../../model/index.js";
import type { Finding } from "./findings.js";
import { pageOf } from "./report-page.js";
import { shareText } from "./share.js";
import { type CheckState, checkStates, statesText } from "./states.js";
import type { Subject } from "./subject.js";

export interface Report {
  verdict: "good" | "bad";
  /** True where the checks ended at the first error and the counts cover only what came before it. */
  stoppedEarly: boolean;
  checks: readonly CheckState[];
  json: JsonObject;
  text: string;
  html: string;
}

export const REPORT_JSON = "report.json";
export const REPORT_TEXT = "report.txt";
export const REPORT_HTML = "report.html";

export function buildReport(subject: Subject, inputs: readonly string[], stoppedEarly: boolean): Report {
  const { findings, model, counts, kwargs, options } = subject;
  const verdict = findings.errors === 0 ? "good" : "bad";
  const checks = checkStates(subject, stoppedEarly);
  const json: JsonObject = {
    verdict,
    stoppedEarly,
    inputs: [...inputs],
    model: { type: model.config.modelType, ...model.fingerprints },
    declared: { systemPrompt: systemPromptFacts(options.systemPrompt), chatTemplateKwargs: kwargs },
    counts: countsOf(subject),
    systemPrompts: counts.systemPrompts.summary(10),
    checks: checks.map((state) => ({ ...state })),
    findings: findings.shown.map((finding) => ({ ...finding }) as unknown as JsonObject),
    notes: model.notes,
    rules: versionNotes(model.config.modelType, counts.videos > 0),
  };
  const text = textOf(subject, checks, verdict, stoppedEarly);
  return { verdict, stoppedEarly, checks, json, text, html: pageOf(subject, json, { verdict, stoppedEarly, checks }) };
}

export function countsOf({ counts, findings }: Subject): JsonObject {
  return {
    dialogues: counts.dialogues,
    turns: counts.turns,
    promptsCompared: counts.promptsCompared,
    promptsEqual: counts.promptsEqual,
    promptsCounted: counts.promptsCounted,
    livePromptsCompared: counts.livePromptsCompared,
    livePromptsEqual: counts.livePromptsEqual,
    liveCountsCompared: counts.liveCountsCompared,
    liveCountsEqual: counts.liveCountsEqual,
    rejected: counts.rejected,
    rows: counts.rows,
    shardRows: counts.shardRows,
    rowsComparedWithTurns: counts.rowsComparedWithTurns,
    images: counts.images,
    videos: counts.videos,
    imagesResampled: counts.imagesResampled,
    imagesVerified: counts.imagesVerified,
    answersWithoutStop: counts.answersWithoutStop,
    systemPrompts: counts.systemPrompts.distinct,
    errors: findings.errors,
    warnings: Object.values(findings.counts.warning).reduce((sum, count) => sum + count, 0),
  };
}

function textOf(subject: Subject, checks: readonly CheckState[], verdict: string, stoppedEarly: boolean): string {
  const { counts, findings } = subject;
  const lines = [`verdict: ${verdict}${stoppedEarly ? " (stopped at the first disagreement)" : ""}`, ""];
  lines.push(
    `prompts equal, rendered here and by the server: ${shareText(counts.promptsEqual, counts.promptsCompared)}`,
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
  for (const finding of findings.shown) lines.push("", ...findingLines(finding));
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

export async function writeReport(report: Report, dir: string): Promise<void> {
  try {
    await mkdir(dir, { recursive: true });
    await writeFile(join(dir, REPORT_JSON), `${JSON.stringify(report.json, null, 2)}\n`);
    await writeFile(join(dir, REPORT_TEXT), report.text);
    await writeFile(join(dir, REPORT_HTML), report.html);
  } catch (error) {
    throw fromErrno(error, dir, { use: "write" });
  }
}
