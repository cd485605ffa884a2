/** Options of `regenerate`. */
import { z } from "zod";
import type { JsonObject } from "../../base/index.js";
import {
  chatTemplateKwargsSchema,
  HISTORY_WORDS,
  historySchema,
  KEEP_SYSTEM_PROMPT,
  systemPromptSchema,
  templateArguments,
  thinkingSchema,
} from "../../dialogue/index.js";
import { DEFAULT_LOOP_RULES, RISK_NAMES } from "../../sglang/index.js";
import { apiKeyEnvSchema } from "../shared-settings.js";
import { controlOptions, NEUTRAL_CONTROL_OPTIONS } from "./selection/options.js";
import { NEUTRAL_SERVER_OPTIONS, serverOptions } from "./servers/options.js";

const share = z.number().min(0).max(1);

const toolsSchema = z
  .strictObject({
    policy: z
      .enum(["keep", "drop", "set"])
      .default("keep")
      .describe("keep: each dialogue's own definitions; drop: none; set: `definitions` replace them everywhere"),
    definitions: z
      .array(z.record(z.string(), z.json()))
      .optional()
      .describe("tool definitions in OpenAI's form, for set"),
  })
  .refine((value) => value.policy !== "set" || (value.definitions?.length ?? 0) > 0, {
    path: ["definitions"],
    error: "needed with policy set; for none at all use policy: drop",
  })
  .refine((value) => value.policy === "set" || value.definitions === undefined, {
    path: ["definitions"],
    error: "has no effect with this policy; did you mean policy: set?",
  });

const loopsSchema = z.strictObject({
  policy: z.enum(["reject", "keep"]).default("reject").describe("what to do with answers that repeat without end"),
  minTokens: z
    .number()
    .int()
    .min(8)
    .default(DEFAULT_LOOP_RULES.minTokens)
    .describe("a repetition counts from this many tokens on"),
  minRepeats: z
    .number()
    .int()
    .min(2)
    .default(DEFAULT_LOOP_RULES.minRepeats)
    .describe("and from this many times on that the same piece follows itself"),
});

const tokenLimitsSchema = z.strictObject({
  prompt: z.number().int().positive().optional().describe("tokens of a turn's prompt, images expanded"),
  dialogue: z.number().int().positive().optional().describe("tokens of a turn's prompt and answer together"),
});

const fields = z.strictObject({
  ...serverOptions,
  expectModel: z.string().min(1).optional().describe("name or path of the model that the servers must serve"),
  model: z
    .string()
    .optional()
    .describe(
      "the target's model directory (weights not needed); with it, prompts are compared from the first answer on",
    ),
  apiKeyEnv: apiKeyEnvSchema,
  systemPrompt: systemPromptSchema
    .default(KEEP_SYSTEM_PROMPT)
    .describe("the system prompt that the target answers under"),
  history: historySchema.default("all").describe(HISTORY_WORDS),
  tools: toolsSchema.default({ policy: "keep" }).describe("the tools that the target is offered"),
  thinking: thinkingSchema
    .default("default")
    .describe("sets the template argument enable_thinking; default leaves it to the template"),
  chatTemplateKwargs: chatTemplateKwargsSchema.default({}).describe("further arguments of the chat template"),
  historyContent: z
    .enum(["unchanged", "trimmed"])
    .default("unchanged")
    .describe(
      "how answers enter the history of the next question. unchanged: content and reasoning_content as the server returned them, which clients of the OpenAI API send back; trimmed: thinking taken out of the content, without the white space around it and before the answer, for clients that do so",
    ),
  maxNewTokens: z.number().int().min(1).max(131_072).default(2048).describe("tokens of an answer at most"),
  maxTurns: z.number().int().min(1).optional().describe("assistant turns asked for in a dialogue at most"),
  onLength: z
    .enum(["keep", "drop"])
    .default("keep")
    .describe("an answer cut by maxNewTokens: keep it, marked, or drop it; the dialogue ends there"),
  stopTokenIds: z.array(z.number().int().nonnegative()).default([]).describe("stop ids beside the model's own"),
  idSource: z
    .enum(["auto", "chat", "generate", "count"])
    .default("auto")
    .describe(
      "where ids come from: chat answers, or /tokenize with /generate for older servers (auto: the first that works); count: as auto, and from servers that return none, our own ids where they are as many as the server counts, marked on every turn (needs `model`)",
    ),
  loops: loopsSchema
    .default({
      policy: "reject",
      minTokens: DEFAULT_LOOP_RULES.minTokens,
      minRepeats: DEFAULT_LOOP_RULES.minRepeats,
    })
    .describe("answers that repeat themselves"),
  tokenLimits: tokenLimitsSchema.default({}).describe("turns beyond these are left out; the dialogue ends before"),
  allowSettings: z
    .array(z.enum(RISK_NAMES as [string, ...string[]]))
    .default([])
    .describe("names of server settings that change answers silently and are accepted"),
  retries: z.number().int().min(0).max(100).default(6).describe("further attempts after a transient fault"),
  retryDelaySeconds: z
    .number()
    .nonnegative()
    .max(60)
    .default(0.5)
    .describe("wait before the second attempt; it doubles with each further one, up to 60 times as long"),
  requestTimeoutSeconds: z
    .number()
    .positive()
    .max(86_400)
    .default(900)
    .describe("time for one answer, queueing included"),
  serverWaitSeconds: z
    .number()
    .nonnegative()
    .max(86_400)
    .default(300)
    .describe("how long to wait, during the run, while no server answers at all"),
  maxFailedShare: share
    .default(0.001)
    .describe("share of dialogues that may fail because no server answered; above it the stage stops with an error"),
  retryFailed: z
    .boolean()
    .default(true)
    .describe("ask dialogues that failed before again: when a run continues, and those of the input `earlier`"),
  recheckShare: share.default(0).describe("share of the finished dialogues that are asked again to measure agreement"),
  minAgreement: share
    .default(0)
    .describe("share of re-checked turns that must come out equal; a run that is surely below stops early"),
  ...controlOptions,
});

export const regenerateOptionsSchema = fields
  .refine(({ servers, serversFile }) => servers.length > 0 || serversFile !== undefined, {
    path: ["servers"],
    error: "at least one address is needed, such as http://127.0.0.1:30000, or a serversFile",
  })
  .refine(({ servers, serversFile }) => servers.length === 0 || serversFile === undefined, {
    path: ["serversFile"],
    error: "give either servers or serversFile",
  })
  .refine(({ idSource, model }) => idSource !== "count" || model !== undefined, {
    path: ["model"],
    error: "idSource: count renders prompts and encodes answers here, so it needs the target's model directory",
  });
export type RegenerateOptions = z.infer<typeof regenerateOptionsSchema>;

/** Options that cannot change what a dialogue's answers are: they may differ between a run and its continuation. */
export const NEUTRAL_OPTIONS = [
  ...NEUTRAL_SERVER_OPTIONS,
  "apiKeyEnv",
  "retries",
  "retryDelaySeconds",
  "requestTimeoutSeconds",
  "serverWaitSeconds",
  "maxFailedShare",
  "retryFailed",
  "recheckShare",
  "minAgreement",
  ...NEUTRAL_CONTROL_OPTIONS,
] as const satisfies readonly (keyof RegenerateOptions)[];

/** The template arguments that go into every request. */
export function templateKwargs(options: RegenerateOptions): JsonObject {
  return templateArguments(options);
}
