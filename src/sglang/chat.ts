/** Requests to /v1/chat/completions: never streamed, greedy, asking for the ids. */
import { type JsonObject, stringifyJson } from "../base/index.js";
import { BodyBuilder, type RequestBody, type RequestImage } from "./body.js";
import type { Dialect } from "./dialect.js";
import { GREEDY } from "./sampling.js";

export type ChatPart = { type: "text"; text: string } | { type: "image"; image: RequestImage };

export interface ChatToolCall {
  id: string;
  name: string;
  arguments: JsonObject;
}

export interface ChatMessage {
  role: "system" | "user" | "assistant" | "tool";
  /** A string where there is no image: the form that no engine rewrites. */
  content: string | ChatPart[];
  reasoning?: string;
  toolCalls?: ChatToolCall[];
  toolCallId?: string;
}

/** What the template gets; members that are undefined count as left out. */
export interface TemplateInput {
  messages: ChatMessage[];
  tools?: JsonObject[] | undefined;
  templateKwargs?: JsonObject | undefined;
}

export interface ChatRequest extends TemplateInput {
  /** Tokens of the answer at most, stop token included. */
  maxTokens: number;
  stopTokenIds?: number[];
  /** Reasoning stays in the text, with every space around it (SGLang; others have no such switch and ignore it). */
  wholeText?: boolean;
}

export const CHAT_PATH = "/v1/chat/completions";

/** What all requests say, after the limit on tokens: written once, not for each of them. */
const ALWAYS = JSON.stringify({
  ...GREEDY,
  n: 1,
  stream: false,
  return_prompt_token_ids: true,
  return_token_ids: true,
  return_meta_info: true,
}).slice(1, -1);

export function encodeChat(model: string, request: ChatRequest, dialect: Dialect): RequestBody {
  const body = new BodyBuilder();
  writeTemplateInput(body, model, request, dialect);
  body.raw(`,"max_tokens":${request.maxTokens},${ALWAYS}`);
  if (request.stopTokenIds !== undefined && request.stopTokenIds.length > 0) {
    body.raw(',"stop_token_ids":').value(request.stopTokenIds);
  }
  if (request.wholeText === true) body.raw(',"separate_reasoning":false');
  return body.raw("}").build();
}

/** The beginning of a JSON object with the model and what its template gets. */
export function writeTemplateInput(body: BodyBuilder, model: string, input: TemplateInput, dialect: Dialect): void {
  body.raw('{"model":').value(model).raw(',"messages":[');
  writeMessages(body, input.messages, dialect);
  body.raw("]");
  if (input.tools !== undefined && input.tools.length > 0) body.raw(',"tools":').value(input.tools);
  if (input.templateKwargs !== undefined && Object.keys(input.templateKwargs).length > 0) {
    body.raw(',"chat_template_kwargs":').value(input.templateKwargs);
  }
}

/** The inside of a JSON array of messages in OpenAI's form. */
function writeMessages(body: BodyBuilder, messages: ChatMessage[], dialect: Dialect): void {
  messages.forEach((message, index) => {
    body
      .raw(index === 0 ? "" : ",")
      .raw('{"role":')
      .value(message.role)
      .raw(',"content":');
    writeContent(body, message.content);
    if (message.reasoning !== undefined && message.reasoning !== "") {
      body.raw(`,"${dialect.reasoningField}":`).value(message.reasoning);
    }
    if (message.toolCalls !== undefined && message.toolCalls.length > 0) {
      body.raw(',"tool_calls":').value(message.toolCalls.map(openAiToolCall));
    }
    if (message.toolCallId !== undefined) body.raw(',"tool_call_id":').value(message.toolCallId);
    body.raw("}");
  });
}

function writeContent(body: BodyBuilder, content: ChatMessage["content"]): void {
  if (typeof content === "string") {
    body.value(content);
    return;
  }
  body.raw("[");
  content.forEach((part, index) => {
    if (index > 0) body.raw(",");
    if (part.type === "text") body.value(part);
    else body.raw('{"type":"image_url","image_url":{"url":').image(part.image).raw("}}");
  });
  body.raw("]");
}

/** Arguments travel as a JSON string in this API; the server parses them before it renders the template. */
function openAiToolCall(call: ChatToolCall): unknown {
  return {
    id: call.id,
    type: "function",
    function: { name: call.name, arguments: stringifyJson(call.arguments) },
  };
}
