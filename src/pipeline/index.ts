export { type DryRun, type DryStep, dryRun, formatDryRun, refusalOf } from "./dry-run.js";
export { dryRunStage } from "./dry-stage.js";
export type { StepResult } from "./execute.js";
export type { Fingerprint } from "./fingerprint.js";
export { drawGraph, GRAPH_FORMATS, type GraphFormat } from "./graph-text.js";
export { jsonSchemaOf } from "./issues.js";
export { joinStage } from "./join-stage.js";
export { exportSchemas, pipelineJsonSchema, stageJsonSchema, writeSchemas } from "./json-schema.js";
export { mapStrings, resolveFiles } from "./options.js";
export type { Plan, PlannedService, PlannedStep, StageRegistry } from "./plan-types.js";
export { redraw } from "./redraw.js";
export {
  type PlanOptions,
  planPipeline,
  type RunOptions,
  type RunResult,
  runPipeline,
  summaryRows,
} from "./run-pipeline.js";
export { compareRuns } from "./run-report/index.js";
export { type RunStageRequest, runStage, type StageOutcome } from "./run-stage.js";
export { SERVICE_TYPES, type ServiceRegistry, type ServiceType } from "./services/index.js";
export { Source } from "./source.js";
export { type StageCall, type StageFunction, stages } from "./stage-functions.js";
export { allStages } from "./stage-registry.js";
export { nearest, suggestion } from "./suggest.js";
export { formatWhy, type Why, type WhyOptions, whyStep } from "./why.js";
