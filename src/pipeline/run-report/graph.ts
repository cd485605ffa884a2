/** The steps of a run as a drawing: what reads what, how long each took, what was cached. */
import { formatSeconds } from "../../events/index.js";
import { type Html, html } from "../../report/index.js";
import type { StepReport } from "./data.js";

const WIDTH = 190;
const HEIGHT = 44;
const GAP_X = 26;
const GAP_Y = 26;
/** Room to the right for edges that pass other steps. */
const DETOUR = 18;

interface Node {
  step: StepReport;
  x: number;
  y: number;
  layer: number;
}

/** Steps in layers from top to bottom, each below all that it reads. */
export function runGraph(steps: readonly StepReport[]): Html {
  const nodes = placed(steps);
  const all = [...nodes.values()];
  const columns = Math.max(...all.map(({ x }) => x)) + WIDTH;
  const edges = all.flatMap((node) =>
    node.step.after.map((name) => edge(nodes.get(name)!, node, columns)).filter((each) => each !== undefined),
  );
  const width = columns + DETOUR * (1 + Math.max(0, ...all.map(({ layer }) => layer)));
  const height = Math.max(...all.map(({ y }) => y)) + HEIGHT + 2;
  const label = `Pipeline: ${steps.map(({ name, after }) => (after.length === 0 ? name : `${name} after ${after.join(" and ")}`)).join("; ")}`;
  return html`<svg class="graph" viewBox="-1 -1 ${width + 2} ${height + 2}" width="${width + 2}" height="${height + 2}" role="img" aria-label="${label}">
${edges}${all.map(box)}</svg>\n`;
}

function placed(steps: readonly StepReport[]): Map<string, Node> {
  const nodes = new Map<string, Node>();
  const inLayer: number[] = [];
  for (const step of steps) {
    const layer = Math.max(0, ...step.after.map((name) => (nodes.get(name)?.layer ?? -1) + 1));
    const column = inLayer[layer] ?? 0;
    inLayer[layer] = column + 1;
    nodes.set(step.name, { step, layer, x: column * (WIDTH + GAP_X), y: layer * (HEIGHT + GAP_Y) });
  }
  return nodes;
}

function edge(from: Node, to: Node, columns: number): Html {
  const start = { x: from.x + WIDTH / 2, y: from.y + HEIGHT };
  const end = { x: to.x + WIDTH / 2, y: to.y };
  if (to.layer - from.layer === 1) {
    const middle = (start.y + end.y) / 2;
    return html`<path class="edge" d="M${start.x} ${start.y} C${start.x} ${middle} ${end.x} ${middle} ${end.x} ${end.y}"/>`;
  }
  // Around the steps between: out at the right, down, and in at the right.
  const lane = columns + DETOUR * (to.layer - from.layer - 1);
  const [top, bottom] = [from.y + HEIGHT / 2, to.y + HEIGHT / 2];
  return html`<path class="edge" d="M${from.x + WIDTH} ${top} C${lane} ${top} ${lane} ${top} ${lane} ${top + 14} V${bottom - 14} C${lane} ${bottom} ${lane} ${bottom} ${to.x + WIDTH} ${bottom}"/>`;
}

function box({ step, x, y }: Node): Html {
  const title = step.stage === step.name ? step.name : `${step.name} (${step.stage})`;
  const time = step.state === "done" || step.state === "failed" ? `, ${formatSeconds(step.seconds)}` : "";
  const served = step.services.length === 0 ? "" : `, uses ${step.services.join(", ")}`;
  return html`<g class="node ${step.state}"><title>${`${title}: ${step.why ?? step.state}`}</title><rect x="${x}" y="${y}" width="${WIDTH}" height="${HEIGHT}" rx="4"/><text class="name" x="${x + 10}" y="${y + 18}">${short(title, 26)}</text><text x="${x + 10}" y="${y + 34}">${short(`${step.state}${time}${served}`, 30)}</text></g>\n`;
}

function short(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}
