/** The shape that every stage has, so that the command line, the pipeline and library users run it the same way. */
import type { z } from "zod";
import type { ArtifactKind, Manifest, ManifestDraft } from "../artifacts/index.js";
import type { EventSink } from "../events/index.js";
import type { ReportFiles } from "../report/index.js";
import type { Statement } from "./shared-settings.js";

/** A finished artifact that a stage reads. */
export interface InputArtifact {
  /** Absolute path of the directory. */
  path: string;
  manifest: Manifest;
}

export interface InputSpec {
  kind: ArtifactKind | readonly ArtifactKind[];
  optional?: boolean;
  description: string;
}

export interface StageContext {
  /** Name of the step in the pipeline (or of the stage, when run alone); put it into events. */
  step: string;
  events: EventSink;
  /** Aborted by Ctrl-C: finish what is in flight, save, and throw DraftsmithError INTERRUPTED. */
  signal: AbortSignal;
  /** An empty directory that becomes the artifact when `run` returns. Write everything here. */
  workDir: string;
  /** Survives crashes and interruptions of this step; removed when the step is finished. For journals and trainer state. */
  resumeDir: string;
  /** What unfinished runs of this step under other options left; for stages that can use it or must not lose it. */
  otherResumeDirs?: readonly string[];
  /**
   * For reports of the run itself, with its times and addresses: not part of the artifact, kept with the run's history or
   * beside the output. Made by the stage when it has something to say; undefined where nobody would find it.
   */
  reportDir?: string | undefined;
  /** `--limit N`: work on the first N rows only. */
  limit: number | undefined;
}

/** What a path must lead to. */
export type PathKind = "file" | "directory" | "any";

/** Names of options; of a stage whose options are not known, any. */
export type OptionName<Options> = unknown extends Options ? string : keyof Options & string;

export type FileOptions<Options = unknown> = Readonly<Partial<Record<OptionName<Options>, PathKind>>>;

export interface Stage<Options = unknown, Inputs extends string = string> {
  name: string;
  /** One sentence for help texts and docs. */
  summary: string;
  /** Validates, types and documents the options; exported as JSON Schema. Every field has `.describe()`. */
  options: z.ZodType<Options>;
  inputs: Record<Inputs, InputSpec>;
  output: ArtifactKind;
  /** Raise it when the stage's output for the same input changes: it is part of the fingerprint. */
  codeVersion: number;
  /**
   * Options that name files or directories, and which: resolved to absolute paths, checked before anything runs, and
   * their content enters the fingerprint.
   */
  fileOptions?: FileOptions<Options>;
  /** Options that cannot change the output (concurrency, addresses): left out of the fingerprint. */
  neutralOptions?: readonly OptionName<Options>[];
  /** Options of earlier versions under the names that they have now: who still writes one is told. */
  renamedOptions?: Readonly<Record<string, OptionName<Options>>>;
  /** What a step says about settings that all steps of a lineage must agree on; a plan in which two disagree is refused. */
  states?(options: Options): Statement[];
  /** Inputs that may have been made with other settings. */
  unrelatedInputs?(options: Options): readonly Inputs[];
  /**
   * A text file of the output, for people. A stage that has one is a question rather than a product: run alone it needs
   * no place for its output, and the text is printed, also where the stage fails (from `resumeDir`).
   */
  report?: string;
  /** Figures that a run writes under a schema, and the pages drawn from them. */
  reportFiles?: ReportFiles;
  /**
   * What a run would cost, as lines for `--dry-run`: rows, hours, bytes. Contacts nothing. Inputs that do not exist yet
   * are undefined, and so may be files that options name.
   * @throws DraftsmithError DOES_NOT_FIT for what this machine cannot run, the lines as its frame
   */
  estimate?(
    options: Options,
    inputs: Record<Inputs, InputArtifact | undefined>,
    limit?: number,
  ): Promise<string[]> | string[];
  /**
   * Put rows for the closing table into `facts.summary` as `[{label, value}]`.
   * @throws DraftsmithError for whatever a user can get wrong; anything else counts as a bug.
   */
  run(
    options: Options,
    inputs: Record<Inputs, InputArtifact | undefined>,
    context: StageContext,
  ): Promise<ManifestDraft>;
}

/** Keeps the option and input types of a stage literal while checking its shape. */
export function defineStage<Options, Inputs extends string>(stage: Stage<Options, Inputs>): Stage<Options, Inputs> {
  return stage;
}

/** A stage's own limit on rows under that of `--limit`; null is none. */
export function limitedRows(rows: number | null, limit: number | undefined): number | null {
  if (limit === undefined) return rows;
  return rows === null ? limit : Math.min(rows, limit);
}
