/** Shows two token sequences side by side around their first difference. */
import { z } from "zod";
import { formatNumber } from "../events/index.js";
import { type Html, html, visible } from "./html.js";

export const tokenSchema = z.strictObject({
  at: z.number().int().nonnegative().describe("index of the first of its ids"),
  id: z.number().int(),
  count: z.number().int().positive().describe("times that it follows itself"),
  piece: z.string(),
});
export type Token = z.infer<typeof tokenSchema>;

export const tokenWindowSchema = z.strictObject({
  names: z.tuple([z.string(), z.string()]).describe("what the two sequences are"),
  rows: z.array(
    z
      .strictObject({ differs: z.boolean(), ours: tokenSchema.nullable(), theirs: tokenSchema.nullable() })
      .describe("a pair of lines; null where a sequence has ended"),
  ),
});
export type TokenWindow = z.infer<typeof tokenWindowSchema>;

export function tokenTable({ names, rows }: TokenWindow): Html {
  const first = rows.findIndex((row) => row.differs);
  const head = names.map((name) => html`<th class="number">index</th><th>${name}</th><th class="number">id</th>`);
  const body = rows.map(({ differs, ours, theirs }, at) => {
    const kind = differs ? (at === first ? "differs first" : "differs") : "";
    return html`<tr class="${kind}">${cells(ours)}${cells(theirs)}</tr>\n`;
  });
  return html`<table><thead><tr>${head}</tr></thead><tbody>\n${body}</tbody></table>\n`;
}

function cells(token: Token | null): Html {
  if (token === null) return html`<td></td><td class="quiet">(end)</td><td></td>`;
  const times = token.count === 1 ? undefined : html` <span class="quiet">x ${formatNumber(token.count)}</span>`;
  return html`<td class="number quiet">${token.at}</td><td><span class="token">${visible(token.piece)}</span>${times}</td><td class="number">${token.id}</td>`;
}
