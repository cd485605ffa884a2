/** One message of a row, in any of the forms. */
import { canonicalJson, type JsonObject } from "../base/index.js";
import { type ContentContext, readContent } from "./content-parts.js";
import type { Role, ToolCall } from "./dialogue.js";
import { Fields, type Row, type UnreadFields } from "./fields.js";
import type { RawMessage } from "./raw-dialogue.js";
import { takeRole } from "./roles.js";
import { refuseUnsupported, toolsIn } from "./row-fields.js";
import { RowImages } from "./row-images.js";
import { idText, toolCallsOf } from "./tool-calls.js";

/** What the forms do differently. */
export interface FormRules {
  /** `<image>` in a text is a placeholder even where no image is listed. */
  alwaysPlaceholders: boolean;
  /** One line break between an image and text is a separator, not text. */
  trimLineBreaks: boolean;
}

export interface ReadMessage {
  message: RawMessage;
  /** The message is nothing but calls. */
  isCall: boolean;
  /** Tools that a system message defines. */
  tools: JsonObject[] | undefined;
}

const CONTENT_FIELDS = ["content", "value"];
const CALL_FIELDS = ["tool_calls", "function_call"];
const SYSTEM_FIELDS = ["tools", "functions"];
const ASSISTANT_FIELDS = ["tool_calls", "function_call", "reasoning_content", "reasoning", "thinking", "refusal"];

/** @param images those that the row lists */
export function readMessage(
  row: Row,
  images: RowImages,
  rules: FormRules,
  unread: UnreadFields,
  where: string,
): ReadMessage {
  const fields = new Fields(row, "message", where, unread);
  const { role, isCall } = takeRole(fields);
  const given = fields.takeOne(CONTENT_FIELDS);
  if (fields.isDone && !isCall) {
    const content = readContent(given, contextOf(role, images, rules, unread), where);
    return { message: { role, content }, isCall, tools: undefined };
  }
  refuseUnsupported(fields);
  // A message's own images are its own; only messages without any share the row's.
  const own = RowImages.in(fields);
  const context = contextOf(role, own.listed > 0 ? own : images, rules, unread);
  const content = isCall ? [] : readContent(given, context, where);
  // A text that marks no places has its images in front of it, as clients that take such lists put them.
  const inFront = content.every((part) => part.type === "text") ? own.takeAll() : [];
  own.finish();
  const message: RawMessage = { role, content: [...inFront, ...content] };
  if (role === "assistant") readAssistant(message, fields, isCall ? given : undefined);
  else fields.refuse(ASSISTANT_FIELDS, "field-in-wrong-role", "in a message of role ", role);
  if (role === "tool") {
    const id = fields.take("tool_call_id");
    const text = idText(id);
    if (id !== undefined && text === undefined) throw fields.problem("message-invalid", "`tool_call_id` is no text");
    if (text !== undefined) message.toolCallId = text;
  }
  const tools = role === "system" ? toolsIn(fields) : undefined;
  if (role !== "system") fields.refuse(SYSTEM_FIELDS, "field-in-wrong-role", "in a message of role ", role);
  fields.finish();
  return { message, isCall, tools };
}

function contextOf(role: Role, images: RowImages, rules: FormRules, unread: UnreadFields): ContentContext {
  const placeholders = role !== "assistant" && (rules.alwaysPlaceholders || images.listed > 0);
  return { images, unread, placeholders, trimLineBreaks: rules.trimLineBreaks };
}

/** @param calls the content of a message that is nothing but calls */
function readAssistant(message: RawMessage, fields: Fields, calls: unknown): void {
  const { where, unread } = fields;
  const reasoning = fields.takeOne(["reasoning_content", "reasoning", "thinking"]);
  if (reasoning !== undefined) {
    if (typeof reasoning !== "string") throw fields.problem("message-invalid", "its reasoning is no text");
    message.reasoning = reasoning;
  }
  const refusal = fields.take("refusal");
  if (refusal !== undefined) {
    if (typeof refusal !== "string") throw fields.problem("message-invalid", "`refusal` is no text");
    if (message.content.length > 0) throw fields.contradiction("content", "refusal");
    message.content = [{ type: "text", text: refusal }];
  }
  if (calls === undefined && !CALL_FIELDS.some((key) => fields.has(key))) return;
  const spellings = [calls, fields.take("tool_calls"), fields.take("function_call")].filter(
    (item) => item !== undefined,
  );
  const [first, ...others] = spellings.map((item) => toolCallsOf(item, where, unread));
  if (first === undefined) return;
  if (others.some((other) => !sameCalls(first, other))) throw fields.contradiction("tool_calls", "function_call");
  message.toolCalls = first;
}

/** The older field has no ids. */
function sameCalls(one: readonly ToolCall[], other: readonly ToolCall[]): boolean {
  const bare = (calls: readonly ToolCall[]) => canonicalJson(calls.map(({ name, arguments: given }) => [name, given]));
  return bare(one) === bare(other);
}

/** Adds a message to those before it; calls in a message of their own belong to the assistant's message before them. */
export function addMessage(messages: RawMessage[], { message, isCall }: ReadMessage): void {
  const previous = messages.at(-1);
  if (!isCall || previous?.role !== "assistant") messages.push(message);
  else previous.toolCalls = [...(previous.toolCalls ?? []), ...(message.toolCalls ?? [])];
}
