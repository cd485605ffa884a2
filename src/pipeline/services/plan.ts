/** Services of a plan: their type found and their options checked, like steps. */
import { refusal } from "../expand.js";
import { issuesError } from "../load.js";
import { parseOptions } from "../options.js";
import type { PlanContext, PlannedService } from "../plan-types.js";
import { substitute } from "../references.js";
import { makeResolver } from "../resolve.js";
import type { ServiceEntry } from "../schema.js";
import type { ServiceRegistry } from "./registry.js";
import { placeholder } from "./service.js";

export function planServices(
  entries: Readonly<Record<string, ServiceEntry>>,
  types: ServiceRegistry,
  context: PlanContext,
): PlannedService[] {
  return Object.entries(entries).map(([name, entry]) => {
    const path = ["services", name];
    const type = types[entry.uses]!;
    const referenced = new Set<string>();
    const resolver = makeResolver({ context, values: {}, property: placeholder, used: new Set(), referenced });
    const value = substitute(entry.with ?? {}, [...path, "with"], resolver, refusal(context.source));
    const result = parseOptions(type, value, context.directory);
    if ("issues" in result) throw issuesError(context.source, [...path, "with"], result.issues);
    return { name, type, options: result.options, references: [...referenced], path };
  });
}
