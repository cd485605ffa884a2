/** A dialogue as the target itself spoke it, with the exact ids of every assistant turn. */
import { z } from "zod";
import { messageSchema } from "./dialogue.js";
import { jsonObjectSchema } from "./json-object.js";
import { type RunIds, runIdsSchema, unfoldIds } from "./run-ids.js";

export const generatedTurnSchema = z.strictObject({
  /** Index of this assistant message in `messages`. */
  message: z.number().int().nonnegative(),
  prompt: z.strictObject({
    /** How many leading ids are those of the previous turn's prompt followed by its response. */
    keep: z.number().int().nonnegative(),
    /** The ids after these. */
    ids: runIdsSchema,
  }),
  /** Up to and including the stop token. */
  response: runIdsSchema,
  text: z.string(),
  finish: z.strictObject({
    type: z.enum(["stop", "length", "tool_calls"]),
    matched: z.union([z.number().int(), z.string(), z.null()]),
  }),
  /** Images of the prompt in order, by hash. */
  imageHashes: z.array(z.string()),
  /** The server returned no ids: these are our own, and only their numbers agree with what it counted. */
  counted: z.literal(true).optional(),
});
export type GeneratedTurn = z.infer<typeof generatedTurnSchema>;

export const generationSchema = z.strictObject({
  id: z.string().min(1),
  dialogueDigest: z.string(),
  status: z.enum(["done", "partial"]),
  /** Why a partial one ends early. */
  reason: z.string().optional(),
  messages: z.array(messageSchema),
  tools: z.array(jsonObjectSchema).optional(),
  tags: z.record(z.string(), z.string()).optional(),
  turns: z.array(generatedTurnSchema),
});
export type Generation = z.infer<typeof generationSchema>;

/** Full prompt and response ids of every turn, prefixes joined again. */
export function turnIds(turns: readonly GeneratedTurn[]): { prompt: Int32Array; response: Int32Array }[] {
  let previous = new Int32Array(0);
  return turns.map((turn) => {
    const rest = unfoldIds(turn.prompt.ids);
    const prompt = new Int32Array(turn.prompt.keep + rest.length);
    prompt.set(previous.subarray(0, turn.prompt.keep));
    prompt.set(rest, turn.prompt.keep);
    const response = unfoldIds(turn.response);
    const joined = new Int32Array(prompt.length + response.length);
    joined.set(prompt);
    joined.set(response, prompt.length);
    previous = joined;
    return { prompt, response };
  });
}

/** Length of the common prefix of two id sequences. @param from - where the second one begins in `b` */
export function commonPrefix(a: ArrayLike<number>, b: ArrayLike<number>, from = 0): number {
  const limit = Math.min(a.length, b.length - from);
  let at = 0;
  while (at < limit && a[at] === b[from + at]) at += 1;
  return at;
}

export type { RunIds };
