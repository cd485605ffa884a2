/**
 * Draftsmith as a library: run stages and pipelines from another program, listen to their events, read what they made.
 * Whatever is not exported here may change without notice.
 */

export { type ArtifactKind, type Manifest, openArtifact, readManifest } from "./artifacts/index.js";
export {
  DraftsmithError,
  ERROR_CODES,
  type ErrorCode,
  type ErrorLocation,
  formatError,
  isDraftsmithError,
  type JsonObject,
  type JsonValue,
  VERSION,
} from "./base/index.js";
export type { Dialogue, Generation } from "./dialogue/index.js";
export { type DraftsmithEvent, type EventSink, makeReporter, tee } from "./events/index.js";
export {
  type DryRun,
  dryRun,
  formatDryRun,
  formatWhy,
  type Plan,
  type PlanOptions,
  planPipeline,
  type RunOptions,
  type RunResult,
  refusalOf,
  runPipeline,
  type StageCall,
  type StageFunction,
  type StageOutcome,
  type StepResult,
  stages,
  type Why,
  whyStep,
} from "./pipeline/index.js";
export { STAGE_NAMES, type StageName, type StageOptions } from "./stages/registry.js";
