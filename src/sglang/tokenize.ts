/** Requests to /tokenize: the server's own view of special tokens and of a rendered dialogue. */
import { BodyBuilder, type RequestBody } from "./body.js";
import { parseBoundedObject } from "./bounded-json.js";
import { type TemplateInput, writeTemplateInput } from "./chat.js";
import type { Dialect } from "./dialect.js";
import { idsAt } from "./fields.js";

export const TOKENIZE_PATH = "/tokenize";

export function encodeTokenizeText(model: string, text: string): RequestBody {
  return new BodyBuilder().value({ model, prompt: text, add_special_tokens: false }).build();
}

/** Renders with the generation prompt; image placeholders come back un-expanded. */
export function encodeTokenizeMessages(model: string, input: TemplateInput, dialect: Dialect): RequestBody {
  const body = new BodyBuilder();
  writeTemplateInput(body, model, input, dialect);
  return body.raw(',"add_generation_prompt":true}').build();
}

/** @returns the ids, or undefined when the answer holds none. */
export function parseTokenizeAnswer(body: Buffer): number[] | undefined {
  return idsAt(parseBoundedObject(body), "tokens") ?? undefined;
}
