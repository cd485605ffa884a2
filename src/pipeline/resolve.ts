/** Gives references their values: the one place that knows what each kind means. */

import { referencesInOptions, refusal, type StepReference, selectInstances, type Values } from "./expand.js";
import type { PlanContext, ServiceProperty } from "./plan-types.js";
import type { Place, Resolver } from "./references.js";
import { findReferences } from "./references.js";
import type { PipelineFile } from "./schema.js";
import type { ServiceRegistry } from "./services/index.js";
import type { Source } from "./source.js";
import { suggestion } from "./suggest.js";
import { stepDirectory } from "./workspace.js";

export interface ResolverRequest {
  context: PlanContext;
  /** The matrix values of the step. */
  values: Values;
  property: ServiceProperty;
  /** Filled with the services and steps that were referred to. */
  used: Set<string>;
  referenced: Set<string>;
}

export function makeResolver({ context, values, property, used, referenced }: ResolverRequest): Resolver {
  const refuse = refusal(context.source);
  return (reference, place) => {
    switch (reference.kind) {
      case "vars":
        return context.variables.value(reference.name, reference.rest, place);
      case "matrix":
        if (Object.hasOwn(values, reference.name)) return values[reference.name];
        throw refuse(
          place,
          `there is no matrix value ${reference.name} here`,
          suggestion(reference.name, Object.keys(values), "matrix values"),
        );
      case "services": {
        const service = context.services.find(({ name }) => name === reference.name);
        if (service === undefined) {
          throw refuse(
            place,
            `there is no service ${reference.name}`,
            suggestion(
              reference.name,
              context.services.map(({ name }) => name),
              "services",
            ),
          );
        }
        const { properties } = service.type;
        if (!properties.includes(reference.property)) {
          throw refuse(
            place,
            `a service has no ${reference.property}`,
            suggestion(reference.property, properties, "properties"),
          );
        }
        used.add(service.name);
        return property(service.name, reference.property);
      }
      case "steps":
        return stepPaths({ ...reference, place }, context, values, referenced);
    }
  };
}

function stepPaths(
  reference: { name: string; selector: string | undefined; place: Place },
  context: PlanContext,
  values: Values,
  referenced: Set<string>,
): string | string[] {
  const { name, selector, place } = reference;
  const wanted = selectInstances(
    { name, selector, path: place.path, text: place.text },
    values,
    context.instances,
    context.source,
  );
  for (const instance of wanted) referenced.add(instance.name);
  const paths = wanted.map((instance) => stepDirectory(context.workspace, instance.name));
  return selector === "*" ? paths : paths[0]!;
}

/** Steps that each service's options refer to. */
export function serviceReferences(
  content: PipelineFile,
  types: ServiceRegistry,
  source: Source,
): Map<string, StepReference[]> {
  const refuse = refusal(source);
  return new Map(
    Object.entries(content.services ?? {}).map(([name, { uses, with: options }]) => {
      const path = ["services", name];
      if (!Object.hasOwn(types, uses)) {
        throw source.error({
          message: `there is no service type ${uses}`,
          path: [...path, "uses"],
          hint: suggestion(uses, Object.keys(types), "service types"),
        });
      }
      for (const { reference, place } of findReferences(options ?? {}, [...path, "with"], refuse)) {
        if (reference.kind === "services") throw refuse(place, "a service cannot refer to another service");
      }
      return [name, referencesInOptions(options ?? {}, [...path, "with"], source)];
    }),
  );
}
