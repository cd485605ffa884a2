import { z } from "zod";
import {
  attentionSchema,
  deviceSchema,
  dtypeSchema,
  packTokensSchema,
  slowRecurrenceSchema,
  threadsSchema,
} from "../../trainer-process/index.js";
import { apiKeyEnvSchema } from "../shared-settings.js";

const positiveInt = z.number().int().positive();

export const evaluateOptionsSchema = z.strictObject({
  model: z.string().describe("model directory of the target"),
  untrained: z
    .boolean()
    .default(true)
    .describe("measure the untrained draft too (needs the checkpoints input), to show what training brought"),
  split: z.enum(["heldout", "train"]).default("heldout").describe("which rows of the shards"),
  rows: positiveInt.nullable().default(null).describe("only the first so many rows; null: all"),
  maxLength: z.number().int().min(2).default(4096).describe("longer rows are left out and counted"),
  batchBlocks: positiveInt.default(1024).describe("blocks drafted at once; bounds memory"),
  packTokens: packTokensSchema,
  slowRecurrence: slowRecurrenceSchema,
  compareRows: z
    .number()
    .int()
    .nonnegative()
    .nullable()
    .default(32)
    .describe("rows on which a real draft-and-verify loop is compared with the offline walk; null: all"),
  placeFigures: z
    .boolean()
    .default(true)
    .describe("loss, oracle length and calibration by place; costs a second product with lm_head"),
  latencyConcurrency: z
    .array(positiveInt)
    .default([])
    .describe(
      "numbers of sequences at which the latencies of plain and speculative steps are measured on this device with the reference decoder, to predict speedup; none: no prediction",
    ),
  engineLatencies: z
    .string()
    .nullable()
    .default(null)
    .describe("JSON file with latencies measured on an engine, to predict the speedup there (src/trainer/README.md)"),
  breakEven: z.number().min(1).default(2.5).describe("accept length below which speculation does not pay"),
  dtype: dtypeSchema,
  device: deviceSchema,
  attention: attentionSchema,
  threads: threadsSchema,
  server: z
    .url()
    .nullable()
    .default(null)
    .describe("a server with the target and this draft; its greedy output and accept length are compared"),
  apiKeyEnv: apiKeyEnvSchema,
  serverRows: positiveInt.nullable().default(null).describe("responses asked from the server; null: all"),
  serverConcurrency: positiveInt.default(4).describe("requests in flight"),
  requestTimeoutSeconds: z.number().positive().default(300).describe("longest wait for one answer"),
});
export type EvaluateOptions = z.infer<typeof evaluateOptionsSchema>;
