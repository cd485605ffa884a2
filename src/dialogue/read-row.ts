/** A whole row in any of the forms: its messages, and what stands beside them. */
import { canonicalJson, type JsonObject } from "../base/index.js";
import { readContent } from "./content-parts.js";
import { Fields, type Row, type UnreadFields } from "./fields.js";
import type { RawDialogue, RawMessage } from "./raw-dialogue.js";
import { addMessage, type FormRules, readMessage } from "./read-message.js";
import { commonFields, messagesOf } from "./row-fields.js";
import { RowImages } from "./row-images.js";

/** @throws RowProblem */
export function readRow(row: Row, rules: FormRules, unread: UnreadFields): RawDialogue {
  const fields = new Fields(row, "row", "", unread);
  const dialogue = commonFields(fields);
  const images = RowImages.in(fields);
  const messages: RawMessage[] = [];
  let at = 0;
  for (const message of messagesOf(row)) {
    const read = readMessage(message, images, rules, unread, `message ${at}`);
    at += 1;
    if (read.tools !== undefined) {
      dialogue.tools = sameTools(dialogue.tools, read.tools, fields);
      if (read.message.content.length === 0) continue;
    }
    addMessage(messages, read);
  }
  images.finish();
  dialogue.messages = withSystem(systemMessage(fields, images, unread), messages, fields);
  fields.finish();
  return dialogue;
}

/** A system message may define the tools that the row does not. */
function sameTools(known: RawDialogue["tools"], own: JsonObject[], fields: Fields): JsonObject[] {
  if (known === undefined) return own;
  if (canonicalJson(known) !== canonicalJson(own)) throw fields.contradiction("tools", "tools of a system message");
  return known;
}

/** Many sets carry the system prompt beside the messages, and an empty one for none. */
function systemMessage(fields: Fields, images: RowImages, unread: UnreadFields): RawMessage | undefined {
  const text = fields.takeOne(["system", "system_prompt"]);
  if (text === undefined) return undefined;
  const context = { images, unread, placeholders: false, trimLineBreaks: false };
  return { role: "system", content: readContent(text, context, "`system`") };
}

function withSystem(system: RawMessage | undefined, messages: RawMessage[], fields: Fields): RawMessage[] {
  if (system === undefined) return messages;
  const [first] = messages;
  if (first?.role !== "system") return [system, ...messages];
  if (canonicalJson(first.content) === canonicalJson(system.content)) return messages;
  throw fields.contradiction("system", "the system message");
}
