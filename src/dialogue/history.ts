/** The option `history`: which part of a dialogue a prompt carries, in one form for every stage that asks, renders or checks. */
import { z } from "zod";
import { defined, type JsonObject, type JsonValue } from "../base/index.js";
import type { ContentPart, Message } from "./dialogue.js";
import { imagesOf } from "./pictures.js";

/** Servers take such a text for the token itself. */
const SPECIAL_TEXT = /<\|[^|\s]*\|>|<image>/;

const windowSchema = z
  .strictObject({
    lastTurns: z
      .number()
      .int()
      .min(0)
      .optional()
      .describe(
        "earlier turns that a prompt carries before its question; 0: none. The system prompt always stays, and a window starts with a user message, so that no tool result loses its call",
      ),
    keepFirst: z
      .boolean()
      .optional()
      .describe("with lastTurns: the messages before the first answer stay too, where agents put the task"),
    lastImages: z
      .number()
      .int()
      .min(1)
      .optional()
      .describe("images that a prompt carries, the last ones; texts stay, and so do videos"),
    replacement: z
      .string()
      .min(1)
      .refine((text) => !SPECIAL_TEXT.test(text), "spells out a special token, which servers take for a real one")
      .optional()
      .describe("with lastImages: the text in the place of every earlier image; without it, nothing is put there"),
  })
  .refine(({ lastTurns, lastImages }) => lastTurns !== undefined || lastImages !== undefined, {
    path: ["lastTurns"],
    error: "give lastTurns, lastImages or both; for the whole history write history: all",
  })
  .refine(({ lastTurns, keepFirst }) => lastTurns !== undefined || keepFirst === undefined, {
    path: ["keepFirst"],
    error: "has no effect without lastTurns",
  })
  .refine(({ lastImages, replacement }) => lastImages !== undefined || replacement === undefined, {
    path: ["replacement"],
    error: "has no effect without lastImages",
  });

export const historySchema = z.union([z.literal("all"), windowSchema]);
export type HistoryOption = z.infer<typeof historySchema>;

/** For the option of a stage that asks. */
export const HISTORY_WORDS =
  "what a prompt carries of the dialogue before it: all; {lastTurns: N}; {lastImages: N}, with `replacement` in the place of earlier images; or both. Declare what production sends";

/**
 * The messages of a prompt under this option. The only place where history is left out: whatever asks, renders, counts or
 * compares a prompt calls it, so that training sees the contexts that production sends. Applying it twice changes nothing.
 *
 * @param messages - everything before the answer
 */
export function promptMessages(messages: readonly Message[], history: HistoryOption): readonly Message[] {
  if (history === "all") return messages;
  const { lastTurns, keepFirst = false, lastImages, replacement } = history;
  const windowed = lastTurns === undefined ? messages : withLastTurns(messages, lastTurns, keepFirst);
  return lastImages === undefined ? windowed : withLastImages(windowed, lastImages, replacement);
}

function withLastTurns(messages: readonly Message[], turns: number, keepFirst: boolean): readonly Message[] {
  const first = messages[0]?.role === "system" ? 1 : 0;
  const start = windowStart(messages, first, turns);
  const answered = messages.findIndex(({ role }) => role === "assistant");
  const head = keepFirst && answered >= 0 ? Math.min(answered, start) : first;
  return head >= start ? messages : [...messages.slice(0, head), ...messages.slice(start)];
}

/** The last place where a user begins a turn and at least so many answers follow; else the first message. */
function windowStart(messages: readonly Message[], first: number, turns: number): number {
  let answers = 0;
  for (let at = messages.length - 1; at > first; at -= 1) {
    const beginsTurn = messages[at - 1]!.role === "assistant";
    if (messages[at]!.role === "assistant") answers += 1;
    else if (messages[at]!.role === "user" && beginsTurn && answers >= turns) return at;
  }
  return first;
}

function withLastImages(
  messages: readonly Message[],
  images: number,
  replacement: string | undefined,
): readonly Message[] {
  let beyond = imagesOf(messages).length - images;
  if (beyond <= 0) return messages;
  const put: ContentPart[] = replacement === undefined ? [] : [{ type: "text", text: replacement }];
  return messages.map((message) => {
    if (beyond <= 0 || !message.content.some(({ type }) => type === "image")) return message;
    const content = message.content.flatMap((part): ContentPart[] => {
      if (part.type !== "image" || beyond <= 0) return [part];
      beyond -= 1;
      return put;
    });
    return { ...message, content };
  });
}

/** As artifacts record it in their facts, under `history`. */
export function historyFacts(history: HistoryOption): JsonValue {
  return history === "all" ? history : { ...defined(history) };
}

/** The option that an artifact was made with, from its facts; undefined where they do not record one. */
export function recordedHistory(facts: JsonObject): HistoryOption | undefined {
  const recorded = historySchema.safeParse(facts.history);
  return recorded.success ? recorded.data : undefined;
}

/** For messages: "all of it", "the last 3 turns and the last 2 images". */
export function historyWords(history: HistoryOption): string {
  if (history === "all") return "all of it";
  const { lastTurns, keepFirst = false, lastImages, replacement } = history;
  const turns =
    lastTurns === undefined ? [] : [`the last ${lastTurns} turns${keepFirst ? " and the first question" : ""}`];
  const instead = replacement === undefined ? "" : ` (earlier ones as ${JSON.stringify(replacement)})`;
  const images = lastImages === undefined ? [] : [`the last ${lastImages} images${instead}`];
  return [...turns, ...images].join(" and ");
}
