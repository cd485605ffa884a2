/** A model directory behind the stub server: its template, tokenizer and image sizes give the ids. */
import { isJsonObject, type JsonObject } from "../../src/base/index.js";
import type { Message, ToolCall } from "../../src/dialogue/index.js";
import { openModel } from "../../src/model/index.js";
import { createRenderer } from "../../src/tokens/index.js";
import { padsOf, type StubModel } from "./stub-model.js";

/** @param limits - hidden settings of the server's image processor */
export async function directoryModel(directory: string, limits: { maxPixels?: number } = {}): Promise<StubModel> {
  const found = await openModel(directory);
  const model = { ...found, processor: { ...found.processor, ...limits } };
  const { imEnd, imagePad } = model.specialIds;
  const renderers = new Map<string, ReturnType<typeof createRenderer>>();
  const rendererOf = (kwargs: JsonObject): ReturnType<typeof createRenderer> => {
    const key = JSON.stringify(kwargs);
    const renderer = renderers.get(key) ?? createRenderer(model, kwargs);
    renderers.set(key, renderer);
    return renderer;
  };
  const { tokenizer } = rendererOf({});
  return {
    end: imEnd,
    tokenize: async (text) => Array.from(await tokenizer.encode(text)),
    text: (ids) => tokenizer.decode(ids.filter((id) => id !== imEnd)),
    render: async (body, expanded) => {
      const kwargs = isJsonObject(body.chat_template_kwargs) ? body.chat_template_kwargs : {};
      const messages = (body.messages as JsonObject[]).map(messageOf);
      const tools = body.tools as JsonObject[] | undefined;
      const prompt = await rendererOf(kwargs).prompt({ messages, tools, generationPrompt: true });
      // A server has its own way with what the toolkit's renderer refuses.
      if (!prompt.ok) return [...(await tokenizer.encode(JSON.stringify(body.messages)))];
      return expanded
        ? [...prompt.ids]
        : [...prompt.ids].filter((id, at, ids) => id !== imagePad || ids[at - 1] !== id);
    },
  };
}

function messageOf(message: JsonObject): Message {
  const parts = typeof message.content === "string" ? [{ type: "text", text: message.content }] : message.content;
  const content = (parts as JsonObject[]).map((part): Message["content"][number] =>
    part.type === "text" ? { type: "text", text: String(part.text) } : imageOf(part),
  );
  const { reasoning_content: reasoning, tool_calls: calls } = message;
  return {
    role: message.role as Message["role"],
    content: content.filter((part) => part.type !== "text" || part.text !== ""),
    ...(typeof reasoning === "string" ? { reasoning } : {}),
    ...(Array.isArray(calls)
      ? { toolCalls: calls.map((call) => callOf((call as JsonObject).function as JsonObject)) }
      : {}),
  };
}

function callOf({ name, arguments: json }: JsonObject): ToolCall {
  return { name: String(name), arguments: JSON.parse(String(json)) as JsonObject };
}

/** The size that a PNG's header tells. */
function imageOf(part: JsonObject): Message["content"][number] {
  const { url } = part.image_url as { url: string };
  const png = Buffer.from(url.slice(url.indexOf(",") + 1, url.indexOf(",") + 65), "base64");
  return {
    type: "image",
    hash: String(padsOf(url)).padStart(64, "0"),
    width: png.readUInt32BE(16),
    height: png.readUInt32BE(20),
  };
}
