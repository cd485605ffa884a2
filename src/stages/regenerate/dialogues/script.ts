/** What to ask in a dialogue, decided before anything is sent: system prompt, turns, and unsafe texts. */
import { type Dialogue, type Message, videosOf, withSystemPrompt } from "../../../dialogue/index.js";
import { specialLiteral } from "../../../sglang/index.js";
import type { RegenerateOptions } from "../options.js";

/** Reasons for which a dialogue is rejected before or between questions, and the words for people. */
export const SCRIPT_REASONS = {
  "system-prompt-differs": "its system prompt is another one than `systemPrompt.text`",
  "special-token-text": "a message spells out a special token, which the server would take for a real one",
  "assistant-without-question": "an assistant message follows no user or tool message",
  "video-not-served":
    "it holds a video, and servers choose or time the frames of videos by their own rules; tokenize it with source fixed",
  "nothing-to-answer": "it has no assistant message and does not end with a question",
} as const;
export type ScriptReason = keyof typeof SCRIPT_REASONS;

/** A message to put into the history, or a question for the target; `source` is the answer in the original dialogue. */
export type ScriptStep = { type: "say"; message: Message } | { type: "ask"; source: Message | undefined };

export type Script = { steps: ScriptStep[] } | { reason: ScriptReason; message: string };

export function scriptOf(dialogue: Dialogue, policy: RegenerateOptions["systemPrompt"]): Script {
  if (videosOf(dialogue.messages).length > 0) return rejected("video-not-served");
  const messages = withSystemPrompt(dialogue.messages, policy);
  if (messages === undefined) return rejected("system-prompt-differs");
  const withImages = messages.some(({ content }) => content.some((part) => part.type === "image"));
  const steps: ScriptStep[] = [];
  let previous: Message | undefined;
  for (const [index, message] of messages.entries()) {
    if (message.role === "assistant") {
      if (previous?.role !== "user" && previous?.role !== "tool") {
        return rejected("assistant-without-question", `message ${index}`);
      }
      steps.push({ type: "ask", source: message });
    } else {
      const literal = literalIn(message, withImages);
      if (literal !== undefined) return rejected("special-token-text", `message ${index}: ${literal}`);
      steps.push({ type: "say", message });
    }
    previous = message;
  }
  // Prompts without answers are a normal input: the last question is answered too.
  if (previous?.role === "user" || previous?.role === "tool") steps.push({ type: "ask", source: undefined });
  if (!steps.some((step) => step.type === "ask")) return rejected("nothing-to-answer");
  return { steps };
}

/** The dialogue with the tools that the target is to see; its digest stays that of the original. */
export function withTools(dialogue: Dialogue, { policy, definitions }: RegenerateOptions["tools"]): Dialogue {
  if (policy === "keep") return dialogue;
  const { tools: _own, ...rest } = dialogue;
  return policy === "set" && definitions !== undefined ? { ...rest, tools: definitions } : rest;
}

function literalIn(message: Message, withImages: boolean): string | undefined {
  for (const part of message.content) {
    const literal = part.type === "text" ? specialLiteral(part.text, withImages) : undefined;
    if (literal !== undefined) return literal;
  }
  return undefined;
}

function rejected(reason: ScriptReason, where?: string): Script {
  const words = SCRIPT_REASONS[reason];
  return { reason, message: where === undefined ? words : `${where}: ${words}` };
}
