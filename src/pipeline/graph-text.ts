/** A plan as a drawing: indented text, Mermaid or Graphviz. */
import type { Plan, PlannedStep } from "./plan-types.js";

export const GRAPH_FORMATS = ["text", "mermaid", "dot"] as const;
export type GraphFormat = (typeof GRAPH_FORMATS)[number];

export function drawGraph(plan: Plan, format: GraphFormat): string {
  if (format === "mermaid") return mermaid(plan);
  return format === "dot" ? dot(plan) : text(plan);
}

function text({ steps, services }: Plan): string {
  const lines = steps.map((step) => {
    const from = step.after.length === 0 ? "" : ` <- ${step.after.join(", ")}`;
    const uses = step.services.length === 0 ? "" : ` (service ${step.services.join(", ")})`;
    return `${title(step)}${from}${uses}`;
  });
  return [...lines, ...services.map(({ name, type }) => `service ${name} [${type.name}]`)].join("\n");
}

function mermaid({ steps, services }: Plan): string {
  const id = (name: string): string => name.replaceAll(/[^A-Za-z0-9]/g, "_");
  return [
    "flowchart TD",
    ...steps.map((step) => `  ${id(step.name)}["${title(step)}"]`),
    ...services.map(({ name, type }) => `  service_${id(name)}(["${name} [${type.name}]"])`),
    ...steps.flatMap(({ name, after }) => after.map((needed) => `  ${id(needed)} --> ${id(name)}`)),
    ...steps.flatMap(({ name, services: used }) => used.map((service) => `  service_${id(service)} -.-> ${id(name)}`)),
  ].join("\n");
}

function dot({ steps, services }: Plan): string {
  const quote = (name: string): string => JSON.stringify(name);
  return [
    "digraph pipeline {",
    "  node [shape=box];",
    ...steps.map((step) => `  ${quote(step.name)} [label=${quote(title(step))}];`),
    ...services.map(
      ({ name, type }) => `  ${quote(`service ${name}`)} [label=${quote(`${name} [${type.name}]`)}, shape=ellipse];`,
    ),
    ...steps.flatMap(({ name, after }) => after.map((needed) => `  ${quote(needed)} -> ${quote(name)};`)),
    ...steps.flatMap(({ name, services: used }) =>
      used.map((service) => `  ${quote(`service ${service}`)} -> ${quote(name)} [style=dashed];`),
    ),
    "}",
  ].join("\n");
}

function title({ name, base, stage }: PlannedStep): string {
  return base === stage.name ? name : `${name} [${stage.name}]`;
}
