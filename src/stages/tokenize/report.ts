/** The report of a run: what became of its turns, and what maxLength costs, by turn and by number of images. */
import { z } from "zod";
import { formatNumber } from "../../events/index.js";
import { defineReport, type Html, html, keyFigures, page, table } from "../../report/index.js";
import { type LengthLossData, lengthLossSchema, percent } from "./length-loss.js";

const count = z.number().int().nonnegative();

export const tokenizeReportSchema = z.strictObject({
  stage: z.literal("tokenize"),
  history: z.string().describe("what prompts carry of their dialogue, in words"),
  maxLength: count,
  turns: z.strictObject({ read: count, kept: count, rejected: z.record(z.string(), count) }),
  rows: count,
  tokens: count,
  supervisedTokens: count.describe("in the rows"),
  lengthLoss: lengthLossSchema,
});
export type TokenizeReport = z.infer<typeof tokenizeReportSchema>;

export const tokenizeReport = defineReport("report.json", tokenizeReportSchema, { "report.html": draw });

function draw({ history, maxLength, turns, rows, tokens, supervisedTokens, lengthLoss }: TokenizeReport): string {
  const reasons = Object.entries(turns.rejected).map(([reason, lost]) => [reason, formatNumber(lost)]);
  return page(
    "tokenize",
    html`<h1>tokenize</h1>\n<p class="quiet">Prompts carry ${history} of their dialogue.</p>\n`,
    keyFigures([
      { label: "turns kept", value: `${formatNumber(turns.kept)} of ${formatNumber(turns.read)}` },
      { label: "rows", value: formatNumber(rows) },
      { label: "tokens", value: formatNumber(tokens) },
      { label: "supervised tokens", value: formatNumber(supervisedTokens) },
      { label: `supervised tokens lost to maxLength ${maxLength}`, value: percent(lengthLoss.lostShare) },
    ]),
    reasons.length === 0
      ? undefined
      : html`<h2>Turns left out</h2>\n${table([{ name: "reason" }, { name: "turns", isNumber: true }], reasons)}`,
    html`<h2>Lost to maxLength, by turn</h2>\n${lossTable("turn (from 0)", lengthLoss.byTurn)}`,
    html`<h2>Lost to maxLength, by images in the prompt</h2>\n${lossTable("images", lengthLoss.byImages)}`,
  );
}

function lossTable(name: string, losses: LengthLossData["byTurn"]): Html {
  const columns = ["turns", "supervised tokens", "lost", "share"].map((each) => ({ name: each, isNumber: true }));
  const rows = Object.entries(losses).map(([key, { turns, supervisedTokens, lostTokens, lostShare }]) => [
    key,
    formatNumber(turns),
    formatNumber(supervisedTokens),
    formatNumber(lostTokens),
    percent(lostShare),
  ]);
  return table([{ name }, ...columns], rows);
}
