/** Requests to /tokenize: the server's own view of special tokens and of a rendered dialogue. */
import type { JsonObject } from "../base/index.js";
import { BodyBuilder, type RequestBody } from "./body.js";
import { parseBoundedObject } from "./bounded-json.js";
import { type ChatMessage, writeMessages } from "./chat.js";
import type { Dialect } from "./dialect.js";
import { idsAt } from "./fields.js";

export const TOKENIZE_PATH = "/tokenize";

export function encodeTokenizeText(model: string, text: string): RequestBody {
  return new BodyBuilder().value({ model, prompt: text, add_special_tokens: false }).build();
}

/** Renders with the generation prompt; image placeholders come back un-expanded. */
export function encodeTokenizeMessages(
  request: { model: string; messages: ChatMessage[]; tools?: JsonObject[]; templateKwargs?: JsonObject },
  dialect: Dialect,
): RequestBody {
  const body = new BodyBuilder().raw('{"model":').value(request.model).raw(',"messages":[');
  writeMessages(body, request.messages, dialect);
  body.raw('],"add_generation_prompt":true');
  if (request.tools !== undefined && request.tools.length > 0) body.raw(',"tools":').value(request.tools);
  if (request.templateKwargs !== undefined && Object.keys(request.templateKwargs).length > 0) {
    body.raw(',"chat_template_kwargs":').value(request.templateKwargs);
  }
  return body.raw("}").build();
}

/** @returns the ids, or undefined when the answer holds none. */
export function parseTokenizeAnswer(body: Buffer): number[] | undefined {
  return idsAt(parseBoundedObject(body), "tokens") ?? undefined;
}
