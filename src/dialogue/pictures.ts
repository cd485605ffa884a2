/** The pictures of dialogues, images and frames of videos alike, in the order in which they stand. */
import type { ContentPart, ImagePart, Message, Picture, VideoPart } from "./dialogue.js";
import type { RawMessage, RawPart } from "./raw-dialogue.js";

export function imagesOf(messages: readonly Message[]): ImagePart[] {
  const images: ImagePart[] = [];
  for (const { content } of messages) for (const part of content) if (part.type === "image") images.push(part);
  return images;
}

export function videosOf(messages: readonly Message[]): VideoPart[] {
  const videos: VideoPart[] = [];
  for (const { content } of messages) for (const part of content) if (part.type === "video") videos.push(part);
  return videos;
}

/** Every picture that a store must hold for these messages. */
export function picturesOf(messages: readonly Message[]): Picture[] {
  return messages.flatMap(({ content }) => content.flatMap(picturesOfPart));
}

function picturesOfPart(part: ContentPart): readonly Picture[] {
  if (part.type === "text") return [];
  return part.type === "video" ? part.frames : [part];
}

/** How many pictures a part of a row names. */
export function picturesNamed(part: RawPart): readonly string[] {
  if (part.type === "text") return [];
  return part.type === "video" ? part.frames : [part.reference];
}

/** Canonical messages from a row's and its pictures in order; members in a fixed order, so that equal ones are equal lines. */
export function placePictures(messages: readonly RawMessage[], pictures: readonly Picture[]): Message[] {
  let next = 0;
  const place = (part: RawPart): ContentPart => {
    if (part.type === "text") return part;
    const own = pictures.slice(next, next + picturesNamed(part).length);
    next += own.length;
    if (part.type === "video") return { type: "video", frames: own, fps: part.fps, indices: part.indices };
    return { type: "image", ...own[0]! };
  };
  return messages.map(({ role, content, reasoning, toolCalls, toolCallId }) => {
    const message: Message = { role, content: content.map(place) };
    if (reasoning !== undefined) message.reasoning = reasoning;
    if (toolCalls !== undefined) message.toolCalls = toolCalls;
    if (toolCallId !== undefined) message.toolCallId = toolCallId;
    return message;
  });
}
