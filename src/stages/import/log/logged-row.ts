/** The two forms of a log's rows as one: a request to /v1/chat/completions and its response. */
import { isJsonObject, type JsonObject, type JsonValue, numberOf } from "../../../base/index.js";
import { runIdsSchema, unfoldIds } from "../../../dialogue/index.js";

export interface LoggedRow {
  id: string | undefined;
  /** Requests of one dialogue have the same. */
  conversation: string | undefined;
  request: JsonObject;
  response: JsonObject;
  tags: Record<string, string> | undefined;
}

/** @returns a text for what is no such row, for people */
export function loggedRow(value: JsonValue): LoggedRow | string {
  if (!isJsonObject(value)) return "the line holds no JSON object";
  const { request, response } = value;
  const common = {
    id: textOf(value.id),
    conversation: textOf(value.conversation) ?? (isJsonObject(request) ? textOf(request.session_id) : undefined),
    tags: tagsOf(value.tags),
  };
  if (isJsonObject(request) && isJsonObject(response)) {
    return Array.isArray(request.messages) ? { ...common, request, response } : "its request has no messages";
  }
  if (value.event === "request.finished") {
    return "SGLang's own request log holds no messages: log requests and responses where the client or a gateway sends them";
  }
  if (!Array.isArray(value.messages) || !isJsonObject(value.answer)) {
    return "expected `request` and `response`, or `messages`, `answer`, `prompt_ids` and `response_ids`";
  }
  const [prompt, answer] = [idsOf(value.prompt_ids), idsOf(value.response_ids)];
  const {
    messages,
    tools = null,
    chat_template_kwargs: kwargs = null,
    temperature = null,
    max_tokens: max = null,
  } = value;
  return {
    ...common,
    request: { messages, tools, chat_template_kwargs: kwargs, temperature, max_tokens: max },
    response: {
      choices: [
        {
          message: value.answer,
          finish_reason: value.finish_reason ?? null,
          matched_stop: value.matched_stop ?? null,
          prompt_token_ids: prompt,
          response_token_ids: answer,
        },
      ],
    },
  };
}

/** Ids as they are or with runs folded; anything else is passed on for the judge of answers to refuse. */
function idsOf(value: JsonValue | undefined): JsonValue {
  const folded = runIdsSchema.safeParse(value);
  return folded.success ? Array.from(unfoldIds(folded.data)) : (value ?? null);
}

function textOf(value: JsonValue | undefined): string | undefined {
  if (typeof value === "string") return value === "" ? undefined : value;
  return numberOf(value) === undefined ? undefined : String(value);
}

function tagsOf(value: JsonValue | undefined): Record<string, string> | undefined {
  if (!isJsonObject(value)) return undefined;
  return Object.fromEntries(Object.entries(value).map(([name, tag]) => [name, String(tag)]));
}
