/** run-report.json: everything that a run's page shows. */
import { z } from "zod";

const count = z.number().int().nonnegative();

const exampleSchema = z.strictObject({
  id: z.string().describe("of the dialogue; its place in the source if it has none"),
  message: z.string(),
});

export const rejectionSchema = z.strictObject({
  reason: z.string(),
  count,
  examples: z.array(exampleSchema).describe("the first ones"),
});
export type Rejection = z.infer<typeof rejectionSchema>;

export const stepReportSchema = z.strictObject({
  name: z.string(),
  stage: z.string(),
  state: z.enum(["done", "cached", "failed", "skipped"]),
  why: z.string().nullable().describe("why it ran, or why it did not"),
  seconds: z.number().nonnegative(),
  after: z.array(z.string()).describe("steps whose output it reads"),
  services: z.array(z.string()),
  unit: z.string().describe("what read and kept count"),
  read: count.nullable(),
  kept: count.nullable(),
  rejected: z.array(rejectionSchema).describe("what was left out, the most frequent reason first"),
  summary: z.array(z.strictObject({ label: z.string(), value: z.string() })),
  error: z.string().nullable(),
  figures: z.unknown().describe("the figures of the stage's own report; null: it has none, or its output was replaced"),
});
export type StepReport = z.infer<typeof stepReportSchema>;

export const runReportSchema = z.strictObject({
  kind: z.literal("run"),
  schemaVersion: z.literal(1),
  pipeline: z.string(),
  run: z.string().describe("name of the run's directory"),
  outcome: z.enum(["done", "failed", "interrupted"]),
  started: z.string().describe("ISO 8601, UTC"),
  seconds: z.number().nonnegative(),
  versions: z.record(z.string(), z.unknown()),
  settings: z.record(z.string(), z.unknown()).describe("options of every step, by step"),
  steps: z.array(stepReportSchema).describe("in the order in which they ran"),
});
export type RunReport = z.infer<typeof runReportSchema>;
