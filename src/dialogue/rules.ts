/** What a dialogue must be to be put to a model turn by turn, whatever form it came in. */
import type { RawDialogue, RawMessage } from "./raw-dialogue.js";
import { RowProblem } from "./row-problem.js";

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
    const message = messages[at]!;
    if (message.role === "system") {
      throw new RowProblem("system-not-first", `message ${at}: a system message after the dialogue has begun`);
    }
    const previous = messages[at - 1];
    const isAnswered = previous?.role === "assistant" && (previous.toolCalls ?? []).length === 0;
    if (message.role === "assistant" && isAnswered) {
      throw new RowProblem("roles-not-alternating", `message ${at}: role assistant after role assistant`);
    }
  }
  checkToolResults(messages);
}

/**
 * What a server has answered may break the other rules: a client that leaves an image out sends an empty message, and
 * without a tool parser calls stand in the text.
 *
 * @throws RowProblem where no prompt can be made of it
 */
export function checkSentMessages({ messages }: RawDialogue): void {
  for (const [at, { content }] of messages.entries()) checkUnicode(content, `message ${at}`);
  const last = messages.at(-1)?.role;
  if (last === undefined || last === "system") throw new RowProblem("dialogue-empty", "there is nothing to answer");
}

function checkMessage({ role, content, toolCalls }: RawMessage, where: string): void {
  if ((role === "system" || role === "assistant") && content.some((part) => part.type !== "text")) {
    throw new RowProblem("image-in-wrong-role", `${where}: an image or a video in a message of role ${role}`);
  }
  checkUnicode(content, where);
  const says = content.some((part) => part.type !== "text" || part.text.trim() !== "");
  // A tool may well return nothing.
  if (!says && role !== "tool" && (toolCalls ?? []).length === 0) {
    throw new RowProblem("content-empty", `${where}, role ${role}, has neither text nor image nor video`);
  }
}

function checkUnicode(content: RawMessage["content"], where: string): void {
  for (const part of content) {
    if (part.type === "text" && LONE_SURROGATE.test(part.text)) {
      throw new RowProblem("text-not-unicode", `${where}: half of a surrogate pair`);
    }
  }
}

/** Every call has one result, directly after the message that calls; ids, where both sides have them, say which. */
function checkToolResults(messages: readonly RawMessage[]): void {
  let at = 0;
  while (at < messages.length) {
    const calls = messages[at]!.toolCalls ?? [];
    if (calls.length === 0 && messages[at + 1]?.role !== "tool") {
      at += 1;
      continue;
    }
    const asked = `message ${at}`;
    at += 1;
    const open = new Map(calls.map(({ id }, call) => [id ?? call, call]));
    if (open.size < calls.length) throw new RowProblem("tool-call-invalid", `${asked}: two calls have the same id`);
    let results = 0;
    for (; messages[at]?.role === "tool"; at += 1) {
      if (calls.length === 0)
        throw new RowProblem("tool-without-call", `message ${at}: the message before calls no tool`);
      results += 1;
      if (results > calls.length) {
        throw new RowProblem("tool-result-mismatch", `message ${at}: result ${results} of ${count(calls, "call")}`);
      }
      const { toolCallId } = messages[at]!;
      if (toolCallId === undefined || calls.some(({ id }) => id === undefined)) continue;
      if (!open.delete(toolCallId)) {
        const name = JSON.stringify(toolCallId.slice(0, 60));
        throw new RowProblem("tool-result-mismatch", `message ${at}: no open call of ${asked} has the id ${name}`);
      }
    }
    // A dialogue may end with calls: nothing was asked after them.
    if (results < calls.length && (results > 0 || at < messages.length)) {
      const message = `${asked}: ${count(calls, "call")}, ${count({ length: results }, "result")} before the next message`;
      throw new RowProblem("tool-result-missing", message);
    }
  }
}

function count({ length }: { length: number }, noun: string): string {
  return `${length} ${noun}${length === 1 ? "" : "s"}`;
}
