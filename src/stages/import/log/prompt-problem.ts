/** Whether a logged prompt is what the model directory renders of the request: the check that a server's answers pass. */
import { canonicalJson, type JsonObject } from "../../../base/index.js";
import {
  commonPrefix,
  type HistoryOption,
  historyWords,
  imagesOf,
  type Message,
  promptMessages,
} from "../../../dialogue/index.js";
import type { PromptRenderer } from "../../../tokens/index.js";
import type { LogReason } from "./reasons.js";

/** Ids shown before and after the first difference. */
const AROUND = 6;

export interface SentPrompt {
  messages: readonly Message[];
  tools?: JsonObject[] | undefined;
}

export async function promptProblem(
  { messages, tools }: SentPrompt,
  theirs: readonly number[],
  { renderer, history }: { renderer: PromptRenderer; history: HistoryOption },
): Promise<{ reason: LogReason; message: string } | undefined> {
  // A window may be smaller than the policy allows: the dialogue has just begun.
  if (canonicalJson(promptMessages(messages, history)) !== canonicalJson(messages)) {
    const answers = messages.filter(({ role }) => role === "assistant").length;
    const carried = `${answers} answers and ${imagesOf(messages).length} images`;
    const message = `the request carries ${carried}, but log.history declares ${historyWords(history)}`;
    return { reason: "history-differs", message };
  }
  const own = await renderer.prompt({ messages, tools, generationPrompt: true });
  if (!own.ok) return { reason: "prompt-not-rendered", message: `${own.reason}: ${own.message}` };
  const at = commonPrefix(own.ids, theirs);
  if (at === own.ids.length && at === theirs.length) return undefined;
  const show = (ids: ArrayLike<number>): Promise<string> =>
    renderer.tokenizer.decode(Array.from(ids).slice(Math.max(0, at - AROUND), at + AROUND));
  const [ours, server] = await Promise.all([show(own.ids), show(theirs)]);
  const message = `${theirs.length} ids instead of ${own.ids.length}, the first difference at ${at}: ${JSON.stringify(server)} in the log, ${JSON.stringify(ours)} rendered here`;
  return { reason: "prompt-differs", message };
}
