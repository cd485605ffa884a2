/** A server's answer as the message that clients of the OpenAI API put into the history. */
import { isJsonObject, type JsonObject, parseJson } from "../base/index.js";
import type { Message, ToolCall } from "./dialogue.js";

/** Structurally what `sglang/` reads of an answer; this room does not know it. */
export interface AnswerText {
  text: string;
  reasoning?: string | undefined;
  /** Arguments as JSON text, which may be broken. */
  toolCalls: readonly { name: string; arguments: string }[];
}

/** Ids of tool calls are random on the server, so they are left out; calls with broken arguments, too. */
export function answerMessage({ text, reasoning = "", toolCalls }: AnswerText): Message {
  const calls = toolCalls.map(({ name, arguments: json }) => ({ name, arguments: argumentsIn(json) }));
  const message: Message = { role: "assistant", content: text === "" ? [] : [{ type: "text", text }] };
  if (reasoning !== "") message.reasoning = reasoning;
  const whole = calls.filter((call): call is ToolCall => call.arguments !== undefined);
  if (whole.length > 0) message.toolCalls = whole;
  return message;
}

/** Undefined for what is no JSON object. */
export function argumentsIn(json: string): JsonObject | undefined {
  try {
    const value = parseJson(json);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
