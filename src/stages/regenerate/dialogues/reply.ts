/** From an answer to the message that enters the history of the next question. */
import { canonicalJson, isJsonObject, JsonNumber, type JsonValue } from "../../../base/index.js";
import { answerMessage, argumentsIn, type Message, type ToolCall } from "../../../dialogue/index.js";
import type { Answer } from "../../../sglang/index.js";

/**
 * `unchanged`: content and reasoning as the server returned them, which clients of the OpenAI API send back. `trimmed`:
 * the same message whatever the server's parsers do, without the white space around thinking.
 */
export type HistoryContent = "unchanged" | "trimmed";

const THINK_END = "</think>";

/** The generated assistant message. */
export function messageOf(answer: Answer, form: HistoryContent): Message {
  return answerMessage(form === "trimmed" ? { ...answer, ...splitReasoning(answer) } : answer);
}

/** Whether the server announced a call whose arguments are no JSON object: nothing can come after it. */
export function hasBrokenCall(answer: Answer): boolean {
  return answer.toolCalls.some((call) => argumentsIn(call.arguments) === undefined);
}

/** Whether a message holds thinking, which templates may leave out of later prompts. */
export function hasThinking({ reasoning, content }: Message): boolean {
  return reasoning !== undefined || content.some((part) => part.type === "text" && part.text.includes(THINK_END));
}

/** A server without a reasoning parser leaves the thinking in the text; the opening tag may be part of the prompt. */
export function splitReasoning(answer: Pick<Answer, "text" | "reasoning">): { reasoning: string; text: string } {
  if (answer.reasoning !== undefined) return { reasoning: answer.reasoning.trim(), text: dropNewlines(answer.text) };
  const end = answer.text.indexOf(THINK_END);
  if (end < 0) return { reasoning: "", text: answer.text };
  const before = answer.text.slice(0, end);
  const start = before.lastIndexOf("<think>");
  const reasoning = (start < 0 ? before : before.slice(start + "<think>".length)).trim();
  return { reasoning, text: dropNewlines(answer.text.slice(end + THINK_END.length)) };
}

function dropNewlines(text: string): string {
  return text.replace(/^\n+/, "");
}

/** Calls of a message: parsed by the server, or written in the text as Qwen models do. */
export function callsOf(message: Message): ToolCall[] {
  if (message.toolCalls !== undefined) return message.toolCalls;
  const whole = message.content.map((part) => (part.type === "text" ? part.text : "")).join("");
  // A call that the model only thinks about is not made.
  const text = whole.slice(whole.lastIndexOf(THINK_END) + 1);
  const calls: ToolCall[] = [];
  if (!text.includes("<tool_call>")) return calls;
  for (const [, json] of text.matchAll(/<tool_call>([\s\S]*?)<\/tool_call>/g)) {
    const call = argumentsIn(json ?? "");
    if (call !== undefined && typeof call.name === "string" && isJsonObject(call.arguments)) {
      calls.push({ name: call.name, arguments: call.arguments });
    }
  }
  return calls;
}

/** Whether two messages make the same calls in the same order: only then do the recorded results fit. */
export function sameCalls(one: readonly ToolCall[], other: readonly ToolCall[]): boolean {
  if (one.length === 0 && other.length === 0) return true;
  const form = (calls: readonly ToolCall[]): string =>
    canonicalJson(calls.map((call) => ({ name: call.name, arguments: withoutSpellings(call.arguments) })));
  return form(one) === form(other);
}

/** The value with 5.0 as 5: a tool returns the same for both. */
function withoutSpellings(value: JsonValue): JsonValue {
  if (value instanceof JsonNumber) {
    const number = value.valueOf();
    return value.isInteger && !Number.isSafeInteger(number) ? value : number;
  }
  if (Array.isArray(value)) return value.map(withoutSpellings);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, withoutSpellings(member)]));
}
