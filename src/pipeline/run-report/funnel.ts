/** What became of the data from step to step, with examples of what was left out. */
import { formatNumber } from "../../events/index.js";
import { Html, html, table } from "../../report/index.js";
import type { Rejection, StepReport } from "./data.js";

const BAR = 160;

export function funnel(steps: readonly StepReport[]): Html {
  const counted = steps.filter((step): step is Counted => step.read !== null && step.kept !== null);
  if (counted.length === 0) return html`<p class="quiet">No step of this run counted rows.</p>\n`;
  const columns = [
    { name: "step" },
    { name: "unit" },
    { name: "read", isNumber: true },
    { name: "kept", isNumber: true },
    { name: "left out", isNumber: true },
    { name: "share kept" },
  ];
  const rows = counted.map((step) => {
    const lost = step.rejected.reduce((sum, { count }) => sum + count, 0);
    return [step.name, step.unit, formatNumber(step.read), formatNumber(step.kept), formatNumber(lost), shareBar(step)];
  });
  const rejected = counted.filter((step) => step.rejected.length > 0);
  return html`${table(columns, rows)}${accountOf(counted)}${rejected.map(reasons)}`;
}

type Counted = StepReport & { read: number; kept: number };

/** Rows that no count explains must not be passed over. */
function accountOf(steps: readonly Counted[]): Html {
  const open = steps.flatMap(({ name, read, kept, rejected }) => {
    const missing = read - kept - rejected.reduce((sum, { count }) => sum + count, 0);
    return missing === 0 ? [] : [`${name}: ${formatNumber(missing)}`];
  });
  return open.length === 0
    ? html`<p class="good">Every row is accounted for: read is kept plus left out in each step.</p>\n`
    : html`<p class="warn">Read less kept less left out: ${open.join(", ")}. Counts of other units, or rows that were not finished.</p>\n`;
}

function shareBar({ read, kept }: Counted): Html {
  const share = read === 0 ? 0 : kept / read;
  const words = `${(100 * share).toFixed(share === 1 || share === 0 ? 0 : 2)} %`;
  return html`<svg class="share" viewBox="0 0 ${BAR} 12" width="${BAR}" height="12" role="img" aria-label="${words}"><rect class="axis-area" width="${BAR}" height="12"/><rect class="bar" width="${(BAR * Math.min(1, share)).toFixed(1)}" height="12"/></svg> <span class="quiet">${words}</span>`;
}

function reasons({ name, rejected }: StepReport): Html {
  const rows = rejected.map((one) => [html`<code>${one.reason}</code>`, formatNumber(one.count), examples(one)]);
  return html`<h3>Left out by ${name}</h3>\n${table([{ name: "reason" }, { name: "count", isNumber: true }, { name: "for instance" }], rows)}`;
}

function examples({ examples: found }: Rejection): Html {
  if (found.length === 0) return html`<span class="quiet">no example was kept</span>`;
  return new Html(
    found
      .map(({ id, message }) => html`<div><code>${id}</code> <span class="quiet">${message}</span></div>`.source)
      .join(""),
  );
}
