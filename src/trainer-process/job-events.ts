/** The JSONL events that a trainer job writes on its standard output: the one stream between the two languages. */
import { z } from "zod";
import { DraftsmithError, type ErrorCode } from "../base/index.js";

/** The toolkit's codes that the Python side reports under; ToolkitCode in base/error_codes.py holds the same. */
export const TRAINER_ERROR_CODES = [
  "USAGE",
  "OPTIONS_INVALID",
  "INPUT_INVALID",
  "ARTIFACT_INVALID",
  "MODEL_INVALID",
  "SERVICE_FAILED",
  "VALIDATION_FAILED",
  "PYTHON_MISSING",
  "TRAINER_FAILED",
  "DISK_FULL",
  "DATA_EMPTY",
  "RESUME_CONFLICT",
] as const satisfies readonly ErrorCode[];

export const jobEventSchema = z.discriminatedUnion("type", [
  z.looseObject({
    type: z.literal("progress"),
    done: z.number(),
    total: z.number().nullish(),
    unit: z.string(),
    rates: z.record(z.string(), z.number()).nullish(),
    note: z.string().nullish(),
  }),
  z.looseObject({
    type: z.literal("metric"),
    step: z.number(),
    values: z.record(z.string(), z.number().nullable()),
  }),
  z.looseObject({ type: z.literal("log"), level: z.enum(["info", "warn"]), message: z.string() }),
  z.looseObject({ type: z.literal("result") }),
  z.looseObject({ type: z.literal("ready"), url: z.string() }),
  z.looseObject({
    type: z.literal("error"),
    // A code that this side does not know must not cost the message.
    code: z.enum(TRAINER_ERROR_CODES).catch("TRAINER_FAILED"),
    /** The trainer's own, finer code. */
    reason: z.string(),
    message: z.string(),
    hint: z.string().nullish(),
    field: z.string().nullish(),
    frame: z.string().nullish(),
  }),
]);
export type JobEvent = z.infer<typeof jobEventSchema>;

/** What went wrong on the other side, as an error of this one. */
export function trainerError(event: Extract<JobEvent, { type: "error" }>): DraftsmithError {
  return new DraftsmithError(event.code, event.message, {
    ...(event.hint == null ? {} : { hint: event.hint }),
    ...(event.field == null ? {} : { location: { field: event.field } }),
    ...(event.frame == null ? {} : { frame: event.frame }),
  });
}

/** Null for a line that is no event; such a line is a bug in the trainer and is reported, never dropped in silence. */
export function parseJobEvent(line: string): JobEvent | null {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return null;
  }
  const parsed = jobEventSchema.safeParse(value);
  return parsed.success ? parsed.data : null;
}
