/** Canonical messages as a chat template sees them inside SGLang, after its OpenAI endpoint has rebuilt them. */
import { isJsonObject, type JsonObject, type JsonValue } from "../base/index.js";
import type { Message } from "../dialogue/index.js";

/**
 * The counterpart of what regenerate sends: content of text alone is one string, its parts joined; with images or videos it
 * stays a list, in which an image is `{"type": "image"}` and a video `{"type": "video"}`. Absent content is the empty string.
 */
export function templateMessages(messages: readonly Message[]): JsonObject[] {
  return messages.map((message) => {
    const built: JsonObject = { role: message.role, content: templateContent(message) };
    if (message.reasoning !== undefined && message.reasoning !== "") {
      // transformers >= 5.19 offers reasoning under both names.
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
 * Tool definitions as the server's request model writes them back: known keys of the function in the order given, an
 * absent description or parameters as null behind them, `strict` and `defer_loading` only where set, and the tool's own
 * `defer_loading` in any case (SGLang 0.5.23). Unknown keys are gone.
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
