/** A whole row in any of the forms: its messages, and what stands beside them. */
import { canonicalJson, defined } from "../base/index.js";
import { readContent } from "./content-parts.js";
import { Fields, type Row, type UnreadFields } from "./fields.js";
import type { RawDialogue, RawMessage } from "./raw-dialogue.js";
import { type FormRules, joinCalls, type ReadMessage, readMessage } from "./read-message.js";
import { commonFields, messagesOf } from "./row-fields.js";
import { RowImages } from "./row-images.js";

/** @throws RowProblem */
export function readRow(row: Row, rules: FormRules, unread: UnreadFields): RawDialogue {
  const fields = new Fields(row, "row", "", unread);
  const rest = commonFields(fields);
  const images = RowImages.in(fields);
  const read = messagesOf(row).map((message, at) => readMessage(message, images, rules, unread, `message ${at}`));
  images.finish();
  const tools = read.reduce((known, { tools: own }) => sameTools(known, own, fields), rest.tools);
  const system = systemMessage(fields, images, unread);
  const messages = withSystem(system, joinCalls(read.filter((each) => !holdsToolsOnly(each))), fields);
  fields.finish();
  return { ...rest, ...defined({ tools }), messages };
}

/** A system message may define the tools that the row does not. */
function sameTools(known: RawDialogue["tools"], own: RawDialogue["tools"], fields: Fields): RawDialogue["tools"] {
  if (known === undefined || own === undefined) return known ?? own;
  if (canonicalJson(known) !== canonicalJson(own)) throw fields.contradiction("tools", "tools of a system message");
  return known;
}

function holdsToolsOnly({ message, tools }: ReadMessage): boolean {
  return tools !== undefined && message.content.length === 0;
}

/** Many sets carry the system prompt beside the messages, and an empty one for none. */
function systemMessage(fields: Fields, images: RowImages, unread: UnreadFields): RawMessage | undefined {
  const text = fields.takeOne("system", "system_prompt");
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
