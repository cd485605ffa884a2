/** Fields that the forms have in common: id, tags, tools, tool calls, thinking. */
import { isJsonObject, JsonNumber, type JsonObject, parseJson } from "../base/index.js";
import type { ToolCall } from "./dialogue.js";
import type { RawDialogue, RawMessage } from "./raw-dialogue.js";
import { RowProblem } from "./row-problem.js";
import { refuseListedVideos } from "./row-videos.js";

export type Row = Record<string, unknown>;

/** The row's messages under any of the usual names. */
export function messagesOf(row: Row): Row[] {
  const list = row.messages ?? row.conversations ?? row.conversation;
  if (!Array.isArray(list)) {
    const keys = Object.keys(row).slice(0, 8).join(", ");
    throw new RowProblem("form-unknown", `neither \`messages\` nor \`conversations\` among the keys [${keys}]`);
  }
  return list.map((message, at) => {
    if (!isJsonObject(message)) throw new RowProblem("message-invalid", `message ${at} is no object`);
    return message;
  });
}

export function idOf(row: Row): string | undefined {
  const { id } = row;
  if (typeof id === "number" || id instanceof JsonNumber) return String(id);
  return typeof id === "string" && id !== "" ? id : undefined;
}

/** Everything but the messages. */
export function commonFields(row: Row): Omit<RawDialogue, "messages"> {
  refuseListedVideos(row);
  const tools = toolsOf(row.tools);
  const tags = tagsOf(row.tags);
  return { id: idOf(row), ...(tools === undefined ? {} : { tools }), ...(tags === undefined ? {} : { tags }) };
}

/** A list, or the JSON text of one; an empty list is none. */
function toolsOf(value: unknown): JsonObject[] | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  const list = typeof value === "string" ? jsonIn(value) : value;
  if (!Array.isArray(list) || !list.every(isJsonObject)) {
    throw new RowProblem("tools-invalid", "`tools` is no list of objects");
  }
  return list.length === 0 ? undefined : (list as JsonObject[]);
}

function tagsOf(value: unknown): Record<string, string> | undefined {
  if (!isJsonObject(value)) return undefined;
  const entries = Object.entries(value).filter(([, tag]) => isTag(tag));
  return entries.length === 0 ? undefined : Object.fromEntries(entries.map(([key, tag]) => [key, String(tag)]));
}

function isTag(value: unknown): boolean {
  return ["string", "number", "boolean"].includes(typeof value) || value instanceof JsonNumber;
}

/** One call as `{function: {name, arguments}}` or `{name, arguments}`; arguments as an object or its JSON text. */
export function toolCallOf(value: unknown, where: string): ToolCall {
  const call = isJsonObject(value) ? value : {};
  const inner = isJsonObject(call.function) ? call.function : call;
  const given = inner.arguments ?? inner.parameters ?? {};
  const parsed = typeof given === "string" ? jsonIn(given.trim() === "" ? "{}" : given) : given;
  if (typeof inner.name !== "string" || inner.name === "" || !isJsonObject(parsed)) {
    throw new RowProblem(
      "tool-call-invalid",
      `${where}: a tool call without name, or with arguments that are no object`,
    );
  }
  const id = call.id;
  return { ...(typeof id === "string" ? { id } : {}), name: inner.name, arguments: parsed as JsonObject };
}

/** undefined for text that is not JSON. */
export function jsonIn(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}

const THOUGHT = /^\s*<think>\n?([\s\S]*?)\n?<\/think>\s*/;

/** Moves `<think>...</think>` at the beginning of an assistant's text into `reasoning`, where templates look for it. */
export function separateThinking(message: RawMessage): RawMessage {
  const [first, ...rest] = message.content;
  if (message.role !== "assistant" || message.reasoning !== undefined || first?.type !== "text") return message;
  const match = THOUGHT.exec(first.text);
  if (match === null) return message;
  const text = first.text.slice(match[0].length);
  const content = text === "" ? rest : [{ type: "text" as const, text }, ...rest];
  return match[1]!.trim() === "" ? { ...message, content } : { ...message, content, reasoning: match[1]! };
}
