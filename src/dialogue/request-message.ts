/** Canonical messages as requests carry them: texts as strings, pictures as whatever the caller's client sends. */
import type { Message, Role, TextPart } from "./dialogue.js";
import { imagesOf } from "./pictures.js";

/** Structurally what `sglang/` asks with; this room does not know it. */
export interface RequestMessage<Image> {
  role: Role;
  /** A string where there is no picture: the form that no engine rewrites. */
  content: string | (TextPart | { type: "image"; image: Image })[];
  reasoning?: string;
  toolCalls?: { id: string; name: string; arguments: NonNullable<Message["toolCalls"]>[number]["arguments"] }[];
  toolCallId?: string;
}

/**
 * The counterpart of what `tokens/` gives to the template: both must say the same.
 *
 * @param image - by hash; what is at hand is taken without waiting for anything
 */
export async function requestMessages<Image extends object>(
  messages: readonly Message[],
  image: (hash: string) => Image | Promise<Image>,
): Promise<RequestMessage<Image>[]> {
  const images = new Map<string, Image>();
  const waiting: Promise<unknown>[] = [];
  for (const { hash } of imagesOf(messages)) {
    const found = image(hash);
    if (found instanceof Promise) waiting.push(found.then((read) => images.set(hash, read)));
    else images.set(hash, found);
  }
  if (waiting.length > 0) await Promise.all(waiting);
  return messages.map((message) => requestMessage(message, images));
}

function requestMessage<Image>(message: Message, images: ReadonlyMap<string, Image>): RequestMessage<Image> {
  const { role, content, reasoning, toolCalls, toolCallId } = message;
  const request: RequestMessage<Image> = { role, content: plainText(message) ?? partsOf(content, images) };
  if (reasoning !== undefined) request.reasoning = reasoning;
  if (toolCallId !== undefined) request.toolCallId = toolCallId;
  if (toolCalls !== undefined) {
    // The API wants an id; templates do not render it.
    request.toolCalls = toolCalls.map((call, index) => ({ ...call, id: call.id ?? `call_${index}` }));
  }
  return request;
}

/** The text of a message, or undefined where it holds pictures. */
export function plainText({ content }: Pick<Message, "content">): string | undefined {
  let text = "";
  for (const part of content) {
    if (part.type !== "text") return undefined;
    text += part.text;
  }
  return text;
}

function partsOf<Image>(content: Message["content"], images: ReadonlyMap<string, Image>) {
  return content.map((part) => {
    if (part.type === "text") return part;
    if (part.type === "image") return { type: "image" as const, image: images.get(part.hash)! };
    throw new Error("no request carries a video: dialogues with videos are refused before");
  });
}
