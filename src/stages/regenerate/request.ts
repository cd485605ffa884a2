/** From canonical messages to what a server is asked: texts as strings, pictures as bytes. */
import type { JsonObject } from "../../base/index.js";
import type { Dialogue, Message } from "../../dialogue/index.js";
import type { ChatMessage, ChatPart, Question } from "../../sglang/index.js";
import type { ImageStore } from "./image-store.js";
import { type RegenerateOptions, templateKwargs } from "./options.js";
import { plainText } from "./script.js";

/** The question that these messages end with. */
export async function questionOf(
  messages: readonly Message[],
  dialogue: Pick<Dialogue, "tools">,
  options: RegenerateOptions,
  images: ImageStore,
): Promise<Question> {
  const question: Question = {
    messages: await Promise.all(messages.map((message) => chatMessage(message, images))),
    templateKwargs: templateKwargs(options) as JsonObject,
    maxTokens: options.maxNewTokens,
    stopTokenIds: options.stopTokenIds,
  };
  if (dialogue.tools !== undefined) question.tools = dialogue.tools;
  return question;
}

/** Hashes of all pictures in the order in which the prompt holds them. */
export function imageHashes(messages: readonly Message[]): string[] {
  return messages.flatMap(({ content }) => content.flatMap((part) => (part.type === "image" ? [part.hash] : [])));
}

async function chatMessage(message: Message, images: ImageStore): Promise<ChatMessage> {
  const { role, reasoning, toolCallId } = message;
  const chat: ChatMessage = { role, content: plainText(message) ?? (await partsOf(message, images)) };
  if (reasoning !== undefined) chat.reasoning = reasoning;
  if (toolCallId !== undefined) chat.toolCallId = toolCallId;
  if (message.toolCalls !== undefined) {
    // The API wants an id; templates do not render it.
    chat.toolCalls = message.toolCalls.map((call, index) => ({ ...call, id: call.id ?? `call_${index}` }));
  }
  return chat;
}

function partsOf(message: Message, images: ImageStore): Promise<ChatPart[]> {
  return Promise.all(
    message.content.map(
      async (part): Promise<ChatPart> =>
        part.type === "text" ? part : { type: "image", image: await images.read(part.hash) },
    ),
  );
}
