/** One answer, whatever the engine, its version and the endpoint called its fields. */
import { isJsonObject, type JsonObject } from "../base/index.js";
import { parseBoundedObject } from "./bounded-json.js";
import type { Dialect } from "./dialect.js";
import { arrayAt, idsAt, numberAt, objectAt, stringAt } from "./fields.js";

export interface AnswerToolCall {
  name: string;
  /** As the server sent it: JSON text that may be broken. */
  arguments: string;
}

export interface Answer {
  /** Undefined: not sent. Null: sent, but not a list of ids. */
  promptIds: number[] | undefined | null;
  responseIds: number[] | undefined | null;
  /** For people and for the history of the next turn; special tokens are stripped from it. */
  text: string;
  reasoning: string | undefined;
  toolCalls: AnswerToolCall[];
  finish: { type: string; matched: number | string | null };
  promptTokens: number | undefined;
  completionTokens: number | undefined;
  weightVersion: string | undefined;
  /** Where the ids were found, for people: "choices[].response_token_ids". */
  idFields: { prompt: string | undefined; response: string | undefined };
  /** The ids were computed locally; only their numbers agree with the server's. */
  counted?: true;
}

/** An answer whose ids are there and whose stop is known. */
export interface GoodAnswer extends Answer {
  promptIds: number[];
  responseIds: number[];
}

/** @throws JsonFault - cut off, not JSON, or without a choice. */
export function parseChatAnswer(body: Buffer, dialect: Dialect): Answer {
  return chatAnswerOf(parseBoundedObject(body), dialect);
}

/**
 * The same of a body that is parsed already, such as a logged one.
 *
 * @throws MalformedAnswer - without a choice
 */
export function chatAnswerOf(root: JsonObject, dialect: Dialect): Answer {
  const choice = arrayAt(root, "choices")?.[0];
  const message = isJsonObject(choice) ? objectAt(choice, "message") : undefined;
  if (!isJsonObject(choice) || message === undefined) throw new MalformedAnswer("the answer has no choice");
  const meta = objectAt(choice, "meta_info");
  const usage = objectAt(root, "usage");
  const sglext = objectAt(root, "sglext");
  const prompt =
    foundAt(choice, "prompt_token_ids", "choices[].prompt_token_ids") ??
    foundAt(root, "prompt_token_ids", "prompt_token_ids") ??
    foundAt(sglext, "input_ids", "sglext.input_ids") ??
    NOWHERE;
  const response =
    // SGLang >= 0.5.18, and SGLang 0.5.17 and vLLM.
    foundAt(choice, "response_token_ids", "choices[].response_token_ids") ??
    foundAt(choice, "token_ids", "choices[].token_ids") ??
    foundAt(choice, "output_token_ids", "choices[].output_token_ids") ??
    foundAt(firstOfEach(sglext), "output_ids", "sglext.output_ids") ??
    NOWHERE;
  const reasoning = stringAt(message, "reasoning_content") ?? stringAt(message, "reasoning");
  return {
    promptIds: prompt.ids,
    responseIds: response.ids,
    text: stringAt(message, "content") ?? "",
    reasoning: reasoning === "" ? undefined : reasoning,
    toolCalls: toolCalls(message),
    finish: {
      type: stringAt(choice, "finish_reason") ?? "(none)",
      matched: stopOf(choice, dialect.stopField) ?? stopOf(choice, otherStop(dialect)) ?? matchedOf(meta),
    },
    promptTokens: usage && numberAt(usage, "prompt_tokens"),
    completionTokens: usage && numberAt(usage, "completion_tokens"),
    weightVersion: meta && stringAt(meta, "weight_version"),
    idFields: { prompt: prompt.field, response: response.field },
  };
}

/** @throws JsonFault - cut off, not JSON, or without meta_info. */
export function parseGenerateAnswer(body: Buffer): Answer {
  const root = parseBoundedObject(body);
  const meta = objectAt(root, "meta_info");
  if (meta === undefined) throw new MalformedAnswer("the answer has no meta_info");
  const prompt =
    foundAt(root, "prompt_token_ids", "prompt_token_ids") ??
    foundAt(meta, "prompt_token_ids", "meta_info.prompt_token_ids") ??
    NOWHERE;
  const response = foundAt(root, "output_ids", "output_ids") ?? NOWHERE;
  const finish = objectAt(meta, "finish_reason");
  return {
    promptIds: prompt.ids,
    responseIds: response.ids,
    text: stringAt(root, "text") ?? "",
    reasoning: undefined,
    toolCalls: [],
    finish: { type: (finish && stringAt(finish, "type")) ?? "(none)", matched: matchedOf(meta) },
    promptTokens: numberAt(meta, "prompt_tokens"),
    completionTokens: numberAt(meta, "completion_tokens"),
    weightVersion: stringAt(meta, "weight_version"),
    idFields: { prompt: prompt.field, response: response.field },
  };
}

/** JSON, but not an answer. */
export class MalformedAnswer extends Error {
  override readonly name = "MalformedAnswer";
}

interface Found {
  ids: number[] | undefined | null;
  /** For people. */
  field: string | undefined;
}

const NOWHERE: Found = { ids: undefined, field: undefined };

function foundAt(object: JsonObject | undefined, key: string, field: string): Found | undefined {
  const ids = object === undefined ? undefined : idsAt(object, key);
  return ids === undefined ? undefined : { ids, field };
}

/** One list for each choice, and there is one choice. */
function firstOfEach(sglext: JsonObject | undefined): JsonObject | undefined {
  return sglext && { output_ids: arrayAt(sglext, "output_ids")?.[0] ?? null };
}

function stopOf(object: JsonObject, key: string): number | string | null {
  const value = object[key];
  return typeof value === "number" || typeof value === "string" ? value : null;
}

/** A gateway may speak for workers of the other engine. */
function otherStop({ stopField }: Dialect): string {
  return stopField === "matched_stop" ? "stop_reason" : "matched_stop";
}

function matchedOf(meta: JsonObject | undefined): number | string | null {
  const finish = meta && objectAt(meta, "finish_reason");
  return finish === undefined ? null : stopOf(finish, "matched");
}

function toolCalls(message: JsonObject): AnswerToolCall[] {
  const calls: AnswerToolCall[] = [];
  for (const call of arrayAt(message, "tool_calls") ?? []) {
    const named = isJsonObject(call) ? objectAt(call, "function") : undefined;
    const name = named && stringAt(named, "name");
    if (named !== undefined && name !== undefined)
      calls.push({ name, arguments: stringAt(named, "arguments") ?? "{}" });
  }
  return calls;
}
