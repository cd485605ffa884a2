/** Building blocks of reports: tables, key figures, JSON values. */
import { isJsonObject, type JsonValue } from "../base/index.js";
import { Html, html, type Value } from "./html.js";

export interface Column {
  name: string;
  /** Aligned to the right. */
  isNumber?: boolean;
}

export function table(columns: readonly Column[], rows: readonly (readonly Value[])[]): Html {
  const kind = ({ isNumber = false }: Column): Html => new Html(isNumber ? ' class="number"' : "");
  const head = columns.map((column) => html`<th${kind(column)}>${column.name}</th>`);
  const body = rows.map(
    (row) => html`<tr>${row.map((cell, at) => html`<td${kind(columns[at]!)}>${cell}</td>`)}</tr>\n`,
  );
  return html`<table><thead><tr>${head}</tr></thead><tbody>\n${body}</tbody></table>\n`;
}

/** The most important numbers, in large type. */
export function keyFigures(figures: readonly { label: string; value: Value }[]): Html {
  return html`<div class="figures">${figures.map(({ label, value }) => html`<div class="figure"><b>${value}</b><span class="quiet">${label}</span></div>`)}</div>\n`;
}

/** A JSON object as a table of names and values; nested objects become nested tables. */
export function objectTable(object: Readonly<Record<string, JsonValue | undefined>>): Html {
  const rows = Object.entries(object).map(([name, value]) => html`<tr><th>${name}</th><td>${shown(value)}</td></tr>\n`);
  return html`<table><tbody>\n${rows}</tbody></table>\n`;
}

function shown(value: JsonValue | undefined): Value {
  if (value === undefined || value === null) return html`<span class="quiet">none</span>`;
  if (isJsonObject(value)) {
    return Object.keys(value).length === 0 ? html`<span class="quiet">none</span>` : objectTable(value);
  }
  if (Array.isArray(value))
    return value.length === 0
      ? html`<span class="quiet">none</span>`
      : value.map((item) => html`<div>${shown(item)}</div>`);
  return String(value);
}
