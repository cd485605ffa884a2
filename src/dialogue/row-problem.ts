/** Why a row of somebody's data is not a usable dialogue: stable codes that end up in counts and in rejected.jsonl. */
export const DIALOGUE_REASONS = {
  "row-not-object": "the line holds no JSON object",
  "form-unknown": "the row has neither `messages` nor `conversations`",
  "fields-contradict": "two fields that mean the same say different things",
  "field-in-wrong-role": "a message has a field that only messages of another role may have",
  "content-unsupported": "the row has content that no prompt can carry here: audio, documents, files on a server",
  "message-invalid": "a message is no object, or its role or content has a wrong type",
  "role-unknown": "a message's role is none of the known names",
  "content-part-unknown": "a content part is neither text, nor an image, nor a video",
  "text-not-unicode": "a text holds half of a surrogate pair, which has no UTF-8 form",
  "image-placeholder-mismatch": "the <image> placeholders and the listed images differ in number",
  "image-in-wrong-role": "an image or a video in a system or assistant message",
  "image-size-rule": "an image asks for a size of its own, and the import scales no image, or a frame of a video does",
  "video-encoded": "a video is an encoded file or an address; its frames must be extracted first and listed",
  "video-times":
    "a video has no times for its frames, impossible ones, or asks to sample frames that are already chosen",
  "tool-call-invalid": "a tool call has no name, an id that another one has, or arguments that are no JSON object",
  "tools-invalid": "`tools` is no list of objects",
  "dialogue-empty": "the row has no message besides a system prompt",
  "content-empty": "a message has no content",
  "system-not-first": "a system message after other messages",
  "starts-with-assistant": "the first message after the system prompt is the assistant's",
  "starts-with-tool": "the first message after the system prompt is a tool's",
  "roles-not-alternating": "two assistant messages in a row",
  "tool-without-call": "a tool message that answers no tool call",
  "tool-result-missing": "a tool call without a result before the next message",
  "tool-result-mismatch": "more tool results than calls, or a result with the id of another call",
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
