/** Canonical messages as SGLang's OpenAI endpoint passes them to the chat template. */
import { isJsonObject, type JsonObject, type JsonValue } from "../base/index.js";
import type { Message } from "../dialogue/index.js";

/**
 * Mirrors what regenerate sends: text-only content becomes one string, its parts joined; content with images or videos
 * stays a list, with `{"type": "image"}` and `{"type": "video"}` as parts. Absent content is the empty string.
 */
export function templateMessages(messages: readonly Message[]): JsonObject[] {
  return messages.map((message) => {
    const built: JsonObject = { role: message.role, content: templateContent(message) };
    if (message.reasoning !== undefined && message.reasoning !== "") {
      // transformers 5.19 and later pass reasoning under both names.
      built.reasoning_content = message.reasoning;
      built.thinking = message.reasoning;
    }
    if (message.toolCalls !== undefined && message.toolCalls.length > 0) {
      built.tool_calls = message.toolCalls.map((call, index) => ({
        id: call.id ?? `call_${index}`,
        type: "function",
        function: { name: call.name, arguments: call.arguments },
      }));
    }
    if (message.toolCallId !== undefined) built.tool_call_id = message.toolCallId;
    return built;
  });
}

function templateContent({ content }: Message): JsonValue {
  if (content.every((part) => part.type === "text")) return content.map((part) => part.text).join("");
  return content.map((part) => (part.type === "text" ? { type: "text", text: part.text } : { type: part.type }));
}

/**
 * Tool definitions as SGLang 0.5.23's request model serializes them: the function's known keys in their original order, then
 * missing `description` and `parameters` as null, `strict` and `defer_loading` only if set, and always the tool's own
 * `defer_loading`. Unknown keys are dropped.
 */
export function templateTools(tools: readonly JsonObject[] | undefined): JsonValue {
  if (tools === undefined || tools.length === 0) return null;
  return tools.map((tool) => {
    const given = isJsonObject(tool.function) ? tool.function : tool;
    const outer = isJsonObject(tool.function) ? (tool.defer_loading ?? null) : null;
    const deferred = given.defer_loading ?? outer;
    const built: JsonObject = {};
    for (const [key, value] of Object.entries(given)) {
      if (key === "defer_loading" && deferred !== null) built[key] = deferred;
      if (["description", "name", "parameters"].includes(key) || (key === "strict" && value !== null))
        built[key] = value;
    }
    built.description ??= null;
    built.parameters ??= null;
    if (deferred !== null) built.defer_loading ??= deferred;
    return { type: typeof tool.type === "string" ? tool.type : "function", function: built, defer_loading: outer };
  });
}
