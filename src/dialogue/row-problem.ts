/** Why a row of somebody's data is not a usable dialogue: stable codes that end up in counts and in rejected.jsonl. */
export const DIALOGUE_REASONS = {
  "row-not-object": "the line holds no JSON object",
  "form-unknown": "the row has neither `messages` nor `conversations`",
  "message-invalid": "a message is no object, or its role or content has a wrong type",
  "role-unknown": "a message's role is none of the known names",
  "content-part-unknown": "a content part is neither text, nor an image, nor a video",
  "text-not-unicode": "a text holds half of a surrogate pair, which has no UTF-8 form",
  "image-placeholder-mismatch": "the <image> placeholders and the images of the row differ in number",
  "image-in-wrong-role": "an image or a video in a system or assistant message",
  "video-encoded": "a video is an encoded file or an address; its frames must be extracted first and listed",
  "video-times": "a video says no times for its frames, or impossible ones",
  "tool-call-invalid": "a tool call has no name, or arguments that are no JSON object",
  "tools-invalid": "`tools` is no list of objects",
  "dialogue-empty": "the row has no message besides a system prompt",
  "content-empty": "a message says nothing",
  "system-not-first": "a system message after other messages",
  "starts-with-assistant": "the first message after the system prompt is the assistant's",
  "starts-with-tool": "the first message after the system prompt is a tool's",
  "roles-not-alternating": "two user or two assistant messages in a row, or an answer missing",
  "tool-without-call": "a tool message that answers no tool call",
  "tool-result-missing": "a tool call that the next message does not answer",
} as const;

export type DialogueReason = keyof typeof DIALOGUE_REASONS;

/** Thrown within the readers only; `readDialogue` turns it into a value. */
export class RowProblem extends Error {
  readonly reason: DialogueReason;

  constructor(reason: DialogueReason, message: string) {
    super(message);
    this.reason = reason;
  }
}
