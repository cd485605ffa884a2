/** Fields that all forms have in common beside the messages: id, tags, tools, and content that no form can carry. */
import { isJsonObject, JsonNumber, writtenKey } from "../base/index.js";
import { Fields, type Row } from "./fields.js";
import type { RawDialogue } from "./raw-dialogue.js";
import { RowProblem } from "./row-problem.js";
import { refuseListedVideos } from "./row-videos.js";
import { idText, toolsOf } from "./tool-calls.js";

const MESSAGE_LISTS = ["messages", "conversations", "conversation"];
/** Content that would be lost without a word. */
const UNSUPPORTED = ["audio", "audios", "documents"];

/** The row's messages under any of the usual names. */
export function messagesOf(row: Row): Row[] {
  const lists = MESSAGE_LISTS.map((key) => row[key]).filter(Array.isArray);
  const list: unknown[] | undefined = lists.find(({ length }) => length > 0) ?? lists[0];
  if (list === undefined) {
    const keys = Object.keys(row).slice(0, 8).map(writtenKey).join(", ").slice(0, 200);
    throw new RowProblem("form-unknown", `neither \`messages\` nor \`conversations\` among the keys [${keys}]`);
  }
  return list.map((message, at) => {
    if (!isJsonObject(message)) throw new RowProblem("message-invalid", `message ${at} is no object`);
    return message;
  });
}

export function idOf(row: Row): string | undefined {
  return idText(row.id);
}

/** A dialogue without its messages, from the fields beside them. */
export function commonFields(fields: Fields): RawDialogue {
  fields.takeOne(MESSAGE_LISTS);
  refuseUnsupported(fields);
  const given = fields.take("id");
  const id = idText(given);
  if (given !== undefined && id === undefined) fields.unread.add("row", "id");
  const tools = toolsIn(fields);
  const tags = tagsOf(fields);
  const dialogue: RawDialogue = { id, messages: [] };
  if (tools !== undefined) dialogue.tools = tools;
  if (tags !== undefined) dialogue.tags = tags;
  return dialogue;
}

export function refuseUnsupported(fields: Fields): void {
  fields.refuse(UNSUPPORTED, "content-unsupported", "cannot be carried");
  refuseListedVideos(fields);
}

/** `functions` is the older name. */
export function toolsIn(fields: Fields) {
  return toolsOf(fields.takeOne(["tools", "functions"]));
}

function tagsOf(fields: Fields): Record<string, string> | undefined {
  const value = fields.take("tags");
  if (value === undefined) return undefined;
  if (!isJsonObject(value)) {
    fields.unread.add("row", "tags");
    return undefined;
  }
  const inner = new Fields(value, "tags", "", fields.unread);
  const tags = Object.keys(value).flatMap((key): [string, string][] =>
    isTag(value[key]) ? [[key, String(inner.take(key) ?? "")]] : [],
  );
  inner.finish();
  return tags.length === 0 ? undefined : Object.fromEntries(tags);
}

function isTag(value: unknown): boolean {
  return ["string", "number", "boolean"].includes(typeof value) || value instanceof JsonNumber;
}
