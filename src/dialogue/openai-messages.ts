/**
 * OpenAI's chat messages: `{"messages": [{"role", "content": text or parts}]}`, with tool calls, and with the additions of
 * common tools: an `images` list filled into `<image>` placeholders or bare image parts, videos as lists of frames,
 * `reasoning_content`.
 */
import { isJsonObject } from "../base/index.js";
import type { RawDialogue, RawMessage, RawPart } from "./raw-dialogue.js";
import { roleOf } from "./roles.js";
import { commonFields, messagesOf, type Row, toolCallOf } from "./row-fields.js";
import { placeImages, RowImages, referenceOf } from "./row-images.js";
import { RowProblem } from "./row-problem.js";
import { ENCODED_VIDEO_TYPES, encodedVideo, readVideoPart } from "./row-videos.js";

const TEXT_TYPES = ["text", "input_text", "output_text"];
const IMAGE_TYPES = ["image_url", "image", "input_image"];

export function readOpenaiMessages(row: Row): RawDialogue {
  const images = new RowImages(row.images ?? row.image);
  const messages = messagesOf(row).map((message, at) => readMessage(message, images, `message ${at}`));
  images.finish();
  return { ...commonFields(row), messages };
}

function readMessage(message: Row, images: RowImages, where: string): RawMessage {
  const role = roleOf(message.role, where);
  const result: RawMessage = { role, content: readContent(message.content, role === "assistant", images, where) };
  const reasoning = message.reasoning_content ?? message.reasoning;
  if (typeof reasoning === "string" && reasoning !== "" && role === "assistant") result.reasoning = reasoning;
  const calls = message.tool_calls;
  if (Array.isArray(calls) && calls.length > 0) result.toolCalls = calls.map((call) => toolCallOf(call, where));
  if (typeof message.tool_call_id === "string") result.toolCallId = message.tool_call_id;
  return result;
}

function readContent(content: unknown, literal: boolean, images: RowImages, where: string): RawPart[] {
  if (content === undefined || content === null) return [];
  // Without a list of images, "<image>" in a text is a word like any other; and an assistant's text is never filled.
  const textParts = (text: string): RawPart[] =>
    literal || images.listed === 0 ? (text === "" ? [] : [{ type: "text", text }]) : placeImages(text, images, false);
  if (typeof content === "string") return textParts(content);
  if (!Array.isArray(content))
    throw new RowProblem("message-invalid", `${where}: its content is neither text nor a list`);
  return content.flatMap((part, at) => readPart(part, images, textParts, `${where}, part ${at}`));
}

function readPart(part: unknown, images: RowImages, textParts: (text: string) => RawPart[], where: string): RawPart[] {
  if (typeof part === "string") return textParts(part);
  if (!isJsonObject(part)) throw new RowProblem("message-invalid", `${where} is no object`);
  const type = part.type;
  if (typeof type === "string" && TEXT_TYPES.includes(type)) {
    if (typeof part.text !== "string") throw new RowProblem("message-invalid", `${where}: its text is no text`);
    return textParts(part.text);
  }
  if (typeof type === "string" && IMAGE_TYPES.includes(type)) {
    const named = part.image_url ?? part.image ?? part.url ?? part.path;
    return [
      named === undefined || named === null ? images.next() : { type: "image", reference: referenceOf(named, where) },
    ];
  }
  if (type === "video") return [readVideoPart(part, where)];
  if (typeof type === "string" && ENCODED_VIDEO_TYPES.includes(type)) throw encodedVideo(where);
  throw new RowProblem("content-part-unknown", `${where}: type ${JSON.stringify(type)?.slice(0, 60)}`);
}
