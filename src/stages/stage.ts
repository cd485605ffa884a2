/** The interface of every stage: the command line, pipelines and library users run stages in the same way. */
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
  /** Name of the step in the pipeline, or of the stage when run alone; part of every event. */
  step: string;
  events: EventSink;
  /** Aborted by Ctrl-C: finish what is in flight, save, and throw DraftsmithError INTERRUPTED. */
  signal: AbortSignal;
  /** An empty directory that becomes the artifact when `run` returns. Write everything here. */
  workDir: string;
  /** Survives crashes and interruptions of this step; removed when the step is finished. For journals and trainer state. */
  resumeDir: string;
  /** Left by unfinished runs of this step with other options, for stages that can reuse it or must not lose it. */
  otherResumeDirs?: readonly string[];
  /**
   * For reports of the run itself, with times and addresses: not part of the artifact, but kept with the run's history or
   * beside the output. Created by the stage if it has something to report; undefined if there is no such place.
   */
  reportDir?: string | undefined;
  /** `--limit N`: work on the first N rows only. */
  limit: number | undefined;
}

/** Figures of data that does not exist yet, as a pipeline states them under `expect`. All are means. */
export interface Expected {
  dialogues?: number | undefined;
  /** Assistant turns of a dialogue. */
  turns?: number | undefined;
  /** Different images of a dialogue. */
  images?: number | undefined;
  /** Bytes of an image as canonical PNG. */
  imageBytes?: number | undefined;
  imageTokens?: number | undefined;
  /** Tokens of a turn's prompt, images included. */
  promptTokens?: number | undefined;
  answerTokens?: number | undefined;
  /** Measured: answer tokens a second of all servers together. */
  answerTokensPerSecond?: number | undefined;
  /** Rows of a dialogue. */
  rows?: number | undefined;
  rowTokens?: number | undefined;
  rowImages?: number | undefined;
}

/** Estimated cost of a run. */
export interface Estimate {
  /** For people; each figure says what it rests on. */
  lines: string[];
  hours?: number | undefined;
  /** Of the output, and of what is kept beside it while the stage runs. */
  diskBytes?: number | undefined;
}

/** What a path must refer to. */
export type PathKind = "file" | "directory" | "any";

/** Names of options; any name if the options of the stage are not known. */
export type OptionName<Options> = unknown extends Options ? string : keyof Options & string;

/** By the option's name, with dots for an option inside another: `draft.config`. */
export type FileOptions<Options = unknown> = Readonly<
  Partial<Record<OptionName<Options> | `${OptionName<Options>}.${string}`, PathKind>>
>;

export interface Stage<Options = unknown, Inputs extends string = string> {
  name: string;
  /** One sentence for help texts and docs. */
  summary: string;
  /** Validates, types and documents the options; exported as JSON Schema. Every field has `.describe()`. */
  options: z.ZodType<Options>;
  inputs: Record<Inputs, InputSpec>;
  output: ArtifactKind;
  /** Where the kind of the output depends on options. */
  outputOf?(options: Options): ArtifactKind;
  /** Raise when the stage's output for the same input changes: part of the fingerprint. */
  codeVersion: number;
  /**
   * Options that name files or directories, and which: resolved to absolute paths, checked before anything runs, and
   * their content enters the fingerprint.
   */
  fileOptions?: FileOptions<Options>;
  /** Options that cannot change the output (concurrency, addresses): left out of the fingerprint. */
  neutralOptions?: readonly OptionName<Options>[];
  /**
   * Options that change the output, but with which an interrupted run may be continued: part of the fingerprint, yet not
   * of the name of the resume directory. The stage itself judges what it finds there.
   */
  continuedOptions?: readonly OptionName<Options>[];
  /** Options of earlier versions by old name, with their new names for the error message. */
  renamedOptions?: Readonly<Record<string, OptionName<Options>>>;
  /** States the settings that all steps along the data must agree on; a plan whose steps disagree is refused. */
  states?(options: Options): Statement[];
  /** Inputs that may be made with other settings. */
  unrelatedInputs?(options: Options): readonly Inputs[];
  /**
   * A text file of the output, for people. A stage with a report answers a question: run alone, it needs no output
   * directory, and the report is printed, even if the stage fails (then from `resumeDir`).
   */
  report?: string;
  /** Figures that a run writes under a schema, and the pages drawn from them. */
  reportFiles?: ReportFiles;
  /**
   * Estimated cost of a run for `--dry-run`: rows, hours, bytes. Contacts no server. Inputs that do not exist yet are
   * undefined, and files that options name may be missing.
   * @param expected - stands in for inputs that do not exist yet, and gives measured rates
   * @throws DraftsmithError DOES_NOT_FIT for what this machine cannot run, the lines as its frame
   */
  estimate?(
    options: Options,
    inputs: Record<Inputs, InputArtifact | undefined>,
    limit?: number,
    expected?: Expected,
  ): Promise<Estimate> | Estimate;
  /**
   * True where these options make this machine a helper of a run elsewhere: it writes no output. Such a run takes no
   * lock and seals nothing, and a pipeline's step refuses it.
   */
  joins?(options: Options): boolean;
  /**
   * Rows for the summary table of the run go into `facts.summary` as `[{label, value}]`.
   * @throws DraftsmithError for every user error; anything else counts as a bug
   */
  run(
    options: Options,
    inputs: Record<Inputs, InputArtifact | undefined>,
    context: StageContext,
  ): Promise<ManifestDraft>;
}

/** What inputs of dialogues and of generations take: a log of production is both. */
export const DIALOGUES = ["dialogues", "traffic"] as const satisfies readonly ArtifactKind[];
export const GENERATIONS = ["generations", "traffic"] as const satisfies readonly ArtifactKind[];

/** How many dialogues an artifact of dialogues or generations holds, where that is known: a log's rows are requests. */
export function dialoguesIn({ manifest: { counts } }: Pick<InputArtifact, "manifest">): number | undefined {
  return typeof counts.dialogues === "number" ? counts.dialogues : counts.kept;
}

/** The kind of artifact that a stage makes under these options. */
export function outputKind(stage: Pick<Stage, "output" | "outputOf">, options: unknown): ArtifactKind {
  return stage.outputOf?.(options) ?? stage.output;
}

/** Keeps the option and input types of a stage literal while checking its shape. */
export function defineStage<Options, Inputs extends string>(stage: Stage<Options, Inputs>): Stage<Options, Inputs> {
  return stage;
}

/** The smaller of a stage's own limit on rows and `--limit`; null: no limit. */
export function limitedRows(rows: number | null, limit: number | undefined): number | null {
  if (limit === undefined) return rows;
  return rows === null ? limit : Math.min(rows, limit);
}
