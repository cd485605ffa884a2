import { z } from "zod";
import { licenseSchema } from "../../report/index.js";

export const exportOptionsSchema = z.strictObject({
  model: z.string().describe("model directory of the target that the draft was trained for"),
  checkpoint: z
    .string()
    .regex(/^(best|last|untrained|step-\d{8})$/, "expected best, last, untrained or step-00000123")
    .default("best")
    .describe("which checkpoint: best, last, untrained or step-00000123"),
  dtype: z.enum(["bf16", "fp32"]).default("bf16").describe("number format of the stored weights"),
  allowRotary: z
    .array(z.enum(["partial", "mrope"]))
    .default([])
    .describe("position schemes to let through although not every engine serves them"),
  license: licenseSchema.describe(
    "licence of the draft, for the front matter of README.md: an identifier such as apache-2.0",
  ),
  maxPositionEmbeddings: z
    .number()
    .int()
    .positive()
    .nullable()
    .default(null)
    .describe("longest context the engine may serve; null: the target's"),
});
export type ExportOptions = z.infer<typeof exportOptionsSchema>;
