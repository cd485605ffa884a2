/** Options of `tokenize`. */
import { z } from "zod";
import {
  chatTemplateKwargsSchema,
  historySchema,
  KEEP_SYSTEM_PROMPT,
  systemPromptSchema,
  thinkingSchema,
} from "../../dialogue/index.js";

const nearDuplicatesSchema = z.strictObject({
  policy: z.enum(["keep", "drop"]).default("keep").describe("what becomes of such rows"),
  distance: z
    .number()
    .int()
    .min(0)
    .max(64)
    .default(4)
    .describe("bits in which the 256-bit difference hashes of two screenshots that count as alike may differ"),
  maxRows: z.number().int().min(1).default(1).describe("rows that may show one screen before further ones are dropped"),
});

export const tokenizeOptionsSchema = z.strictObject({
  model: z.string().min(1).describe("directory of the target: config, tokenizer, chat template, processor settings"),
  source: z
    .enum(["ids", "fixed"])
    .default("ids")
    .describe("ids: rows hold the ids that the server returned; fixed: dialogues are rendered and tokenized here"),
  maxLength: z.number().int().min(2).default(4096).describe("ids of a row at most, image tokens included"),
  overLength: z
    .enum(["drop", "truncate"])
    .default("drop")
    .describe("a turn beyond maxLength: drop it, or cut its answer at the end (prompts are never cut)"),
  minSupervisedTokens: z
    .number()
    .int()
    .min(2)
    .default(2)
    .describe("rows that supervise fewer ids are dropped; a draft needs two that follow each other"),
  cutAnswers: z
    .enum(["keep", "drop"])
    .default("keep")
    .describe("answers that the server cut at its token limit, without a stop token"),
  countedIds: z
    .enum(["refuse", "keep"])
    .default("refuse")
    .describe(
      "source ids: turns whose ids are our own, checked only against the server's counts (regenerate's idSource: count); rows that are kept get the tag counted-ids",
    ),
  duplicates: z
    .enum(["keep", "drop"])
    .default("keep")
    .describe(
      "rows whose ids and images are those of an earlier row; dropping them takes up to 32 bytes of memory for each row",
    ),
  nearDuplicates: nearDuplicatesSchema
    .prefault({})
    .describe(
      "rows whose screenshots all look like those of earlier rows; to drop them, the dialogues input is needed",
    ),
  specialText: z
    .enum(["refuse", "keep"])
    .default("refuse")
    .describe(
      "dialogues whose text spells out a special token such as <|im_start|>, which servers take for a real one",
    ),
  systemPrompt: systemPromptSchema
    .default(KEEP_SYSTEM_PROMPT)
    .describe(
      "source fixed: the system prompt that dialogues are rendered with; source ids: if not keep, what the answers must have been generated under",
    ),
  history: historySchema
    .optional()
    .describe(
      "source fixed: what a prompt carries of the dialogue before it (all, {lastTurns: N}, {lastImages: N}, or both), as production sends it; left out: all. source ids: if given, what the answers must have been generated with",
    ),
  thinking: thinkingSchema
    .default("default")
    .describe(
      "source fixed: sets the template argument enable_thinking, default leaves it to the template; source ids: if not default, what the answers must have been generated with",
    ),
  chatTemplateKwargs: chatTemplateKwargsSchema
    .default({})
    .describe(
      "source fixed: further arguments of the chat template; source ids: if there are any, those that the answers must have been generated with",
    ),
  threads: z
    .union([z.literal("auto"), z.number().int().min(0).max(64)], { error: "a whole number from 0 to 64, or auto" })
    .default("auto")
    .describe(
      "worker threads in addition to the one that writes; 0: none; auto: for large inputs on four or more cores, one per further core, at most four",
    ),
  rowsPerFile: z.number().int().min(1).default(50_000).describe("rows in one Arrow file at most"),
});
export type TokenizeOptions = z.infer<typeof tokenizeOptionsSchema>;
