/**
 * Draftsmith as a library: run pipelines and stages from another program, listen to their events, read and write their
 * artifacts. Whatever is not exported here may change without notice.
 */
export * from "./artifacts/directory.js";
export * from "./artifacts/manifest.js";
export * from "./base/index.js";
export type { Dialogue, Generation } from "./dialogue/index.js";
export * from "./events/event.js";
export { makeReporter } from "./events/reporter.js";
export { tee } from "./events/sinks.js";
export {
  type DryRun,
  dryRun,
  dryRunStage,
  formatDryRun,
  type Plan,
  type PlanOptions,
  planPipeline,
  type RunOptions,
  type RunResult,
  type RunStageRequest,
  refusalOf,
  runPipeline,
  runStage,
  type StageOutcome,
  type StageRegistry,
  type StepResult,
  whyStep,
} from "./pipeline/index.js";
export { isStageName, loadStage, STAGE_NAMES, type StageName } from "./stages/registry.js";
export { defineStage, type InputArtifact, type InputSpec, type Stage, type StageContext } from "./stages/stage.js";
