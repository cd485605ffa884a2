/**
 * Everything that can happen while a pipeline or a single stage runs. Reporters (terminal, plain lines, JSONL) each
 * turn this one union into output; nothing else prints.
 */
import type { ErrorCode, ErrorLocation, JsonValue } from "../base/index.js";

/** Rows by reason, such as `{ "image-missing": 3 }`. */
export type ReasonCounts = Record<string, number>;

export interface RunStarted {
  type: "run-started";
  pipeline: string;
  /** Directory of this run: resolved config, events, timings. */
  directory: string;
  steps: string[];
}

export interface StepStarted {
  type: "step-started";
  step: string;
  stage: string;
  /** Why it runs: never run before, an option changed, an input changed, forced. */
  why: string;
}

export interface StepCached {
  type: "step-cached";
  step: string;
  stage: string;
  counts: Record<string, JsonValue>;
}

/** One of several that share a step's work, such as a server. */
export interface ProgressPart {
  name: string;
  /** "up" for one that works; anything else is shown as trouble. */
  state: string;
  /** Rates and gauges of this part: {"in flight": 12, "tokens/s": 812}. All parts of an event have the same. */
  values: Record<string, number>;
  /** Why it does not work. */
  note?: string;
}

/** How far a step is. Sent as often as it changes; reporters throttle. */
export interface StepProgress {
  type: "step-progress";
  step: string;
  done: number;
  /** Unknown totals are left out. */
  total?: number;
  /** What is counted: "dialogues", "rows", "steps" ... */
  unit: string;
  /** Further rates and gauges, already per second where they are rates: {"tokens/s": 812}. */
  rates?: Record<string, number>;
  /** Units that failed, that were rejected, and that ended early with a part to keep, by reason. */
  failures?: ReasonCounts;
  rejected?: ReasonCounts;
  partial?: ReasonCounts;
  /** Time left, where the step can tell it better than `done` and `total` do, because units differ in size. */
  secondsLeft?: number;
  parts?: ProgressPart[];
  note?: string;
}

/** A measured value on the way, such as a loss or an accept length. */
export interface StepMetric {
  type: "step-metric";
  step: string;
  /** Optimizer step or another running index. */
  at: number;
  values: Record<string, number>;
}

export interface StepFinished {
  type: "step-finished";
  step: string;
  stage: string;
  seconds: number;
  counts: Record<string, JsonValue>;
  output: string;
}

export interface StepFailed {
  type: "step-failed";
  step: string;
  stage: string;
  code: ErrorCode | "BUG";
  message: string;
  hint?: string;
  location?: ErrorLocation;
}

/** A step that does not run because one that it needs failed, or because the run was interrupted. */
export interface StepSkipped {
  type: "step-skipped";
  step: string;
  stage: string;
  why: string;
}

export interface ServiceEvent {
  type: "service";
  service: string;
  state: "starting" | "ready" | "stopping" | "stopped" | "failed";
  note?: string;
}

export interface LogLine {
  type: "log";
  level: "info" | "warn";
  step?: string;
  message: string;
}

/** A row of the table that closes a run. */
export interface SummaryRow {
  label: string;
  value: string;
}

export interface RunFinished {
  type: "run-finished";
  pipeline: string;
  outcome: "done" | "failed" | "interrupted";
  seconds: number;
  summary: SummaryRow[];
}

export type DraftsmithEvent =
  | RunStarted
  | StepStarted
  | StepCached
  | StepProgress
  | StepMetric
  | StepFinished
  | StepFailed
  | StepSkipped
  | ServiceEvent
  | LogLine
  | RunFinished;

export interface EventSink {
  emit(event: DraftsmithEvent): void;
}

/** For library users and tests that do not listen. */
export const silentSink: EventSink = { emit: () => undefined };
