/** Options of `validate`. */
import { z } from "zod";
import {
  chatTemplateKwargsSchema,
  DIALOGUE_FORMS,
  historySchema,
  KEEP_SYSTEM_PROMPT,
  systemPromptSchema,
  thinkingSchema,
} from "../../dialogue/index.js";
import { apiKeyEnvSchema } from "../shared-settings.js";

/** Settings of a server that decide what numbers it computes with, by their names in /server_info. */
export const PRECISE = ["quantization", "dtype", "kv_cache_dtype"] as const;
export type Precise = (typeof PRECISE)[number];

export const validateOptionsSchema = z.strictObject({
  model: z.string().min(1).describe("directory of the target that will be trained against and served"),
  dialogues: z
    .string()
    .min(1)
    .optional()
    .describe(
      "dialogues to check, instead of an input of that name: a file of rows in any form that import reads, a file of canonical dialogues, or a dialogues artifact",
    ),
  imageRoots: z
    .array(z.string().min(1))
    .optional()
    .describe(
      "for a file of `dialogues`: directories that image paths may lead into, tried in order; left out, the file's own",
    ),
  format: z
    .enum(["auto", ...DIALOGUE_FORMS])
    .default("auto")
    .describe("for a file of `dialogues`: form of its rows; auto looks at each row"),
  verifyImages: z
    .boolean()
    .default(true)
    .describe("read every image of a dialogues artifact once and check its bytes against its hash"),
  systemPrompt: systemPromptSchema
    .default(KEEP_SYSTEM_PROMPT)
    .describe(
      "the system prompt that requests will carry when the draft is in use; validate changes nothing, so with set and with refuse-if-different every dialogue must have it. keep: each dialogue's own; several different ones are a warning",
    ),
  history: historySchema
    .optional()
    .describe(
      "what those requests carry of the dialogue before their question (all, {lastTurns: N}, {lastImages: N}, or both): every prompt is rendered so and compared; left out, that of the data is taken",
    ),
  thinking: thinkingSchema
    .optional()
    .describe("the thinking switch of those requests; left out, that of the generations is taken"),
  chatTemplateKwargs: chatTemplateKwargsSchema
    .optional()
    .describe("further template arguments of those requests; left out, those of the generations are taken"),
  server: z
    .url({ protocol: /^https?$/, error: "an http(s) address such as http://127.0.0.1:30000" })
    .optional()
    .describe("a server to compare with as well: its model, its settings, and its prompt ids for some dialogues"),
  serverSample: z
    .number()
    .int()
    .min(0)
    .default(8)
    .describe("dialogues whose prompts the server is asked for, spread over the input"),
  apiKeyEnv: apiKeyEnvSchema,
  requestTimeoutSeconds: z.number().positive().max(3600).default(120).describe("time for one answer of the server"),
  states: z
    .boolean()
    .default(false)
    .describe(
      "compare the hidden states that the server returns for some rows of the shards with those that training captures; needs SGLang >= 0.5.23 started with --enable-return-aux-hidden-states",
    ),
  statesTolerance: z
    .number()
    .positive()
    .max(1)
    .optional()
    .describe(
      "relative difference of states that is accepted; left out, 0.001 where both compute in float32, else 0.06",
    ),
  allowPrecision: z
    .array(z.enum(PRECISE))
    .default([])
    .describe(
      "differences in precision between server and model directory that are accepted, and reported as warnings",
    ),
  draft: z.string().min(1).optional().describe("directory of a draft whose config.json is checked against the target"),
  keepGoing: z
    .boolean()
    .default(false)
    .describe("run all checks before failing, instead of stopping at the first disagreement"),
  maxShown: z.number().int().min(1).default(20).describe("findings per check that the report shows in full"),
});
export type ValidateOptions = z.infer<typeof validateOptionsSchema>;
