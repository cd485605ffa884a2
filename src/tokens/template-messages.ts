/** Canonical messages as a chat template sees them inside SGLang, after its OpenAI endpoint has rebuilt them. */
import { isJsonObject, type JsonObject, type JsonValue } from "../base/index.js";
import type { Message } from "../dialogue/index.js";

/**
 * Text-only content becomes a string where it is one part; images become `{"type": "image"}`. Tool answers of several
 * text parts are joined by a space, as the server does. Absent content is the empty string.
 */
export function templateMessages(messages: readonly Message[]): JsonObject[] {
  return messages.map((message) => {
    const built: JsonObject = { role: message.role, content: templateContent(message) };
    if (message.reasoning !== undefined) {
      // transformers >= 5.19 offers reasoning under both names.
      built.reasoning_content = message.reasoning;
      built.thinking = message.reasoning;
    }
    if (message.toolCalls !== undefined) {
      built.tool_calls = message.toolCalls.map((call) => ({
        ...(call.id === undefined ? {} : { id: call.id }),
        type: "function",
        function: { name: call.name, arguments: call.arguments },
      }));
    }
    if (message.toolCallId !== undefined) built.tool_call_id = message.toolCallId;
    return built;
  });
}

function templateContent(message: Message): JsonValue {
  const { content, role } = message;
  if (content.every((part) => part.type === "text")) {
    if (content.length <= 1) return content[0]?.text ?? "";
    if (role === "tool") return content.map((part) => part.text).join(" ");
  }
  return content.map((part) => (part.type === "text" ? { type: "text", text: part.text } : { type: "image" }));
}

/**
 * Tool definitions as the server's request model writes them back: the function's keys in the order given, an absent
 * description or parameters as null at the end, `defer_loading` after them (SGLang 0.5.23).
 */
export function templateTools(tools: readonly JsonObject[] | undefined): JsonValue {
  if (tools === undefined || tools.length === 0) return null;
  return tools.map((tool) => {
    const given = isJsonObject(tool.function) ? tool.function : tool;
    const built: JsonObject = {};
    for (const [key, value] of Object.entries(given)) {
      if (["description", "name", "parameters"].includes(key) || (key === "strict" && value !== null))
        built[key] = value;
    }
    built.description ??= null;
    built.parameters ??= null;
    return { type: typeof tool.type === "string" ? tool.type : "function", function: built, defer_loading: null };
  });
}
