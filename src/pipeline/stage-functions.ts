/** Every stage as a function, for programs that use the toolkit as a library. */
import { loadStage, type StageName, type StageOptions } from "../stages/registry.js";
import { type RunStageRequest, runStage, type StageOutcome } from "./run-stage.js";

export interface StageCall extends Omit<RunStageRequest, "stage" | "options" | "inputs"> {
  /** Artifact directories by input name. */
  inputs?: Readonly<Record<string, string>>;
}

/** Runs the stage as its command does; errors as `runStage`. */
export type StageFunction<Name extends StageName> = (
  options: StageOptions[Name],
  call?: StageCall,
) => Promise<StageOutcome>;

export const stages = {
  "demo-data": functionOf("demo-data"),
  import: functionOf("import"),
  regenerate: functionOf("regenerate"),
  merge: functionOf("merge"),
  tokenize: functionOf("tokenize"),
  shard: functionOf("shard"),
  validate: functionOf("validate"),
  train: functionOf("train"),
  evaluate: functionOf("evaluate"),
  export: functionOf("export"),
} satisfies { readonly [Name in StageName]: StageFunction<Name> };

function functionOf<Name extends StageName>(name: Name): StageFunction<Name> {
  return async (options, { inputs = {}, ...call } = {}) =>
    runStage({ stage: await loadStage(name), options, inputs, ...call });
}
