/** The JSONL events that a trainer job writes on its standard output: the one stream between the two languages. */
import { z } from "zod";

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
    code: z.string(),
    message: z.string(),
    hint: z.string().nullish(),
    field: z.string().nullish(),
  }),
]);
export type JobEvent = z.infer<typeof jobEventSchema>;

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
