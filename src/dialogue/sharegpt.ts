/**
 * ShareGPT's form: `{"conversations": [{"from": "human", "value": text}], "images": [...]}`. Each `<image>` in a text
 * stands for the next of the listed images; texts are kept to the letter.
 */
import { isJsonObject } from "../base/index.js";
import type { RawDialogue, RawMessage, RawPart } from "./raw-dialogue.js";
import { roleOf } from "./roles.js";
import { commonFields, jsonIn, messagesOf, type Row, toolCallOf } from "./row-fields.js";
import { placeImages, RowImages } from "./row-images.js";
import { RowProblem } from "./row-problem.js";

export function readSharegpt(row: Row): RawDialogue {
  return readTurns(row, { trimLineBreaks: false });
}

/** @param trimLineBreaks whether one line break between an image and text is a separator, not text */
export function readTurns(row: Row, { trimLineBreaks }: { trimLineBreaks: boolean }): RawDialogue {
  const images = new RowImages(row.images ?? row.image);
  const turns = messagesOf(row).map((turn, at) => readTurn(turn, images, trimLineBreaks, `message ${at}`));
  images.finish();
  // Many sets carry the system prompt beside the turns, and an empty one for none.
  const system = row.system ?? row.system_prompt;
  const first: RawMessage[] =
    typeof system === "string" && system !== "" ? [{ role: "system", content: [{ type: "text", text: system }] }] : [];
  return { ...commonFields(row), messages: [...first, ...turns] };
}

function readTurn(turn: Row, images: RowImages, trimLineBreaks: boolean, where: string): RawMessage {
  const name = turn.from ?? turn.role;
  const role = roleOf(name, where);
  const text = turn.value ?? turn.content ?? "";
  if (typeof text !== "string") throw new RowProblem("message-invalid", `${where}: its value is no text`);
  if (name === "function_call") return { role, content: [], toolCalls: readCalls(text, where) };
  const plain: RawPart[] = text === "" ? [] : [{ type: "text", text }];
  return { role, content: role === "assistant" ? plain : placeImages(text, images, trimLineBreaks) };
}

/** The JSON text of one call or of a list of calls. */
function readCalls(text: string, where: string) {
  const value = jsonIn(text);
  if (!Array.isArray(value) && !isJsonObject(value)) {
    throw new RowProblem("tool-call-invalid", `${where}: the call is no JSON object`);
  }
  return (Array.isArray(value) ? value : [value]).map((call) => toolCallOf(call, where));
}
