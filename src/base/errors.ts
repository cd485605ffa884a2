/**
 * The one error class for everything a user can get wrong, and the table of its codes.
 * Anything that is thrown and is not a DraftsmithError is a bug and prints its stack.
 */
import { hideSecrets } from "./hide-secrets.js";

/** Stable exit codes: scripts rely on them, so an entry is never renumbered. */
export const ERROR_CODES = {
  USAGE: { exit: 2, meaning: "the command line is wrong: unknown command, option or value" },
  PIPELINE_INVALID: { exit: 3, meaning: "the pipeline file is not valid: unknown key, wrong type, unknown reference" },
  OPTIONS_INVALID: { exit: 3, meaning: "the options of a stage are not valid" },
  INPUT_MISSING: { exit: 4, meaning: "a file or directory that was named does not exist or cannot be read" },
  INPUT_INVALID: { exit: 5, meaning: "an input file is not what the stage expects" },
  ARTIFACT_INVALID: { exit: 5, meaning: "an artifact directory is damaged, unfinished or of another kind" },
  MODEL_INVALID: { exit: 6, meaning: "the model directory is incomplete, contradictory or not supported" },
  SERVER_UNREACHABLE: { exit: 7, meaning: "no server answers at an address" },
  SERVER_REFUSED: { exit: 8, meaning: "a server answers but differs from what is needed: model, settings, ids" },
  SERVICE_FAILED: { exit: 9, meaning: "a service that the pipeline starts did not start or died" },
  VALIDATION_FAILED: { exit: 10, meaning: "data, server, model or draft disagree; the report says where" },
  PYTHON_MISSING: { exit: 11, meaning: "no usable Python, or torch or transformers are not installed" },
  TRAINER_FAILED: { exit: 12, meaning: "the Python trainer reported an error" },
  DISK_FULL: { exit: 13, meaning: "the disk is full; what was finished stays, the same command continues" },
  DISK_FAILED: { exit: 14, meaning: "reading or writing a file failed" },
  RESUME_CONFLICT: { exit: 15, meaning: "earlier unfinished work was made with other settings" },
  DATA_EMPTY: { exit: 16, meaning: "nothing is left to work on; the counts say why" },
  TOO_MANY_FAILURES: { exit: 17, meaning: "more rows failed than the limit allows" },
  OUTPUT_INVALID: { exit: 18, meaning: "the place that was named for an output cannot be written" },
  DOES_NOT_FIT: { exit: 19, meaning: "a plan needs more GPU memory than there is; it says what to change" },
  INTERRUPTED: { exit: 130, meaning: "stopped by Ctrl-C or a signal; the same command continues" },
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** Exit code of a bug: an exception that is no DraftsmithError. */
export const EXIT_BUG = 1;

/** Where an error lies. Lines and columns count from 1. */
export interface ErrorLocation {
  file?: string;
  line?: number;
  column?: number;
  /** Id of the dialogue or row. */
  id?: string;
  /** Path of the field, such as `steps.train.with.lr`. */
  field?: string;
}

export interface ErrorDetails {
  /** What to do about it, in one sentence. */
  hint?: string;
  location?: ErrorLocation;
  cause?: unknown;
  /** A few lines that show the place, ready to print (a code frame, two token lists side by side). */
  frame?: string;
}

/** Message, hint and frame contain no credentials: they end up in terminals, logs and reports. */
export class DraftsmithError extends Error {
  override readonly name = "DraftsmithError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly location: ErrorLocation | undefined;
  readonly frame: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(hideSecrets(message), details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.hint = hiddenIn(details.hint);
    this.location = details.location && placeWithoutSecrets(details.location);
    this.frame = hiddenIn(details.frame);
  }

  get exitCode(): number {
    return ERROR_CODES[this.code].exit;
  }
}

function hiddenIn(text: string | undefined): string | undefined {
  return text === undefined ? undefined : hideSecrets(text);
}

function placeWithoutSecrets(location: ErrorLocation): ErrorLocation {
  const place = { ...location };
  for (const name of ["file", "id", "field"] as const) {
    const text = place[name];
    if (text !== undefined) place[name] = hideSecrets(text);
  }
  return place;
}

export function isDraftsmithError(value: unknown): value is DraftsmithError {
  return value instanceof DraftsmithError;
}

/** `file:line:column (field, id)` with the parts that are known. */
export function formatLocation(location: ErrorLocation): string {
  const place = [location.file, location.line, location.column].filter((part) => part !== undefined).join(":");
  const inside = [location.field, location.id === undefined ? undefined : `id ${location.id}`].filter(
    (part) => part !== undefined,
  );
  if (inside.length === 0) return place;
  return place === "" ? inside.join(", ") : `${place} (${inside.join(", ")})`;
}

/** The error as a person reads it: code, message, place, frame, hint. */
export function formatError(error: DraftsmithError): string {
  const lines = [`error ${error.code}: ${error.message}`];
  if (error.location !== undefined) lines.push(`  at ${formatLocation(error.location)}`);
  if (error.frame !== undefined) lines.push(...error.frame.split("\n").map((line) => `  ${line}`));
  if (error.hint !== undefined) lines.push(`  hint: ${error.hint}`);
  return lines.join("\n");
}
