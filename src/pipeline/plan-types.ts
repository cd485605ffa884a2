/** A plan: everything about a run that can be known before anything runs. */
import type { JsonValue } from "../base/index.js";
import type { Expected, Stage } from "../stages/stage.js";
import type { Instances } from "./expand.js";
import type { MatrixValue } from "./schema.js";
import type { ServiceType } from "./services/service.js";
import type { Path, Source } from "./source.js";
import type { Variables } from "./variables.js";

/** Where the stages come from; tests bring their own. */
export interface StageRegistry {
  names: readonly string[];
  load(name: string): Promise<Stage>;
}

export type PlannedInput = { from: "step"; step: string } | { from: "path"; path: string };

/** Gives the value of a service's property, such as its URL. */
export type ServiceProperty = (service: string, property: string) => JsonValue;

export interface PlannedStep {
  /** With its matrix values: `train[lr=0.001]`. */
  name: string;
  /** As in the file: `train`. */
  base: string;
  stage: Stage;
  description: string | undefined;
  matrix: Record<string, MatrixValue>;
  inputs: Record<string, PlannedInput>;
  /** Checked by the stage's schema, defaults filled in, paths absolute; services stand as placeholders. */
  options: Record<string, unknown>;
  /** Steps whose output directory an option names. */
  references: string[];
  /** Steps that must be finished first: those of inputs, references and services. */
  after: string[];
  /** Services that the options refer to. */
  services: string[];
  /** The options again, with the real addresses of running services. */
  resolve(property: ServiceProperty): Record<string, unknown>;
  /** Place of the step, an option or an input in the file, for errors. */
  path: Path;
}

export interface PlannedService {
  name: string;
  type: ServiceType;
  options: Record<string, unknown>;
  references: string[];
  path: Path;
}

export interface Plan {
  name: string;
  description: string | undefined;
  /** The pipeline file and the directory that relative paths in it start from. */
  file: string;
  directory: string;
  source: Source;
  workspace: string;
  variables: Record<string, unknown>;
  /** In an order in which every step comes after those it needs; else as in the file. */
  steps: PlannedStep[];
  services: PlannedService[];
  /** For the dry run. */
  expected: Expected | undefined;
  /** Settings of steps that may not be meant as they are. */
  warnings: PlanWarning[];
}

export interface PlanWarning {
  step: string;
  message: string;
}

/** What planning one step or service needs to know about the whole file. */
export interface PlanContext {
  source: Source;
  directory: string;
  /** Absolute. */
  workspace: string;
  variables: Variables;
  instances: Instances;
  services: readonly PlannedService[];
}
