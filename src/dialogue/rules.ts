/** What a dialogue must be to be put to a model turn by turn, whatever form it came in. */
import type { RawDialogue, RawMessage } from "./raw-dialogue.js";
import { type DialogueReason, RowProblem } from "./row-problem.js";

const LONE_SURROGATE = /\p{Surrogate}/u;

/** @throws RowProblem for the first rule that is broken */
export function checkDialogue({ messages }: RawDialogue): void {
  messages.forEach((message, at) => {
    checkMessage(message, `message ${at}`);
  });
  const first = messages[0]?.role === "system" ? 1 : 0;
  const opening = messages[first];
  if (opening === undefined) throw new RowProblem("dialogue-empty", "there is nothing to answer");
  if (opening.role === "assistant") {
    throw new RowProblem("starts-with-assistant", `message ${first} is the assistant's: nobody has asked yet`);
  }
  if (opening.role === "tool") throw new RowProblem("starts-with-tool", `message ${first} answers no call`);
  for (let at = first; at < messages.length; at += 1) {
    checkOrder(messages[at]!, at > first ? messages[at - 1] : undefined, `message ${at}`);
  }
}

function checkMessage({ role, content, toolCalls }: RawMessage, where: string): void {
  if ((role === "system" || role === "assistant") && content.some((part) => part.type !== "text")) {
    throw new RowProblem("image-in-wrong-role", `${where}: an image or a video in a message of role ${role}`);
  }
  for (const part of content) {
    if (part.type === "text" && LONE_SURROGATE.test(part.text)) {
      throw new RowProblem("text-not-unicode", `${where}: half of a surrogate pair`);
    }
  }
  const says = content.some((part) => part.type !== "text" || part.text.trim() !== "");
  // A tool may well return nothing.
  if (!says && role !== "tool" && (toolCalls ?? []).length === 0) {
    throw new RowProblem("content-empty", `${where}, role ${role}, has neither text nor image nor video`);
  }
}

function checkOrder(message: RawMessage, previous: RawMessage | undefined, where: string): void {
  const fail = (reason: DialogueReason, text: string): never => {
    throw new RowProblem(reason, `${where}: ${text}`);
  };
  if (message.role === "system") fail("system-not-first", "a system message after the dialogue has begun");
  if (previous === undefined) return;
  const asked = (previous.toolCalls ?? []).length > 0;
  if (message.role === "tool") {
    if (previous.role !== "tool" && !asked) fail("tool-without-call", "the message before calls no tool");
  } else if (asked) {
    fail("tool-result-missing", "the tool call before it has no result");
  } else if (message.role === "assistant" ? previous.role === "assistant" : previous.role !== "assistant") {
    fail("roles-not-alternating", `role ${message.role} after role ${previous.role}`);
  }
}
