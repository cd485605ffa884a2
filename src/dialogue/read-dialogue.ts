/** From one row of somebody's file to a dialogue, or to the reason why not. */
import { isJsonObject } from "../base/index.js";
import { readLlava } from "./llava.js";
import { readOpenaiMessages } from "./openai-messages.js";
import type { RawDialogue } from "./raw-dialogue.js";
import { idOf, messagesOf, type Row, separateThinking } from "./row-fields.js";
import { type DialogueReason, RowProblem } from "./row-problem.js";
import { checkDialogue } from "./rules.js";
import { readSharegpt } from "./sharegpt.js";

export const DIALOGUE_FORMS = ["openai", "sharegpt", "llava"] as const;
export type DialogueForm = (typeof DIALOGUE_FORMS)[number];

export type ReadDialogue =
  | { ok: true; form: DialogueForm; dialogue: RawDialogue }
  | { ok: false; id: string | undefined; reason: DialogueReason; message: string };

const READERS: Record<DialogueForm, (row: Row) => RawDialogue> = {
  openai: readOpenaiMessages,
  sharegpt: readSharegpt,
  llava: readLlava,
};

/** @param form the row's form; "auto" looks at the row itself, so that one file may mix them */
export function readDialogue(value: unknown, form: DialogueForm | "auto"): ReadDialogue {
  if (!isJsonObject(value)) {
    return { ok: false, id: undefined, reason: "row-not-object", message: "the line holds no JSON object" };
  }
  try {
    const known = form === "auto" ? detectForm(value) : form;
    const dialogue = READERS[known](value);
    dialogue.messages = dialogue.messages.map(separateThinking);
    checkDialogue(dialogue);
    return { ok: true, form: known, dialogue };
  } catch (error) {
    if (!(error instanceof RowProblem)) throw error;
    return { ok: false, id: idOf(value), reason: error.reason, message: error.message };
  }
}

/** Turns with `from` are ShareGPT's, and LLaVA's where the image stands under `image`; turns with `role` are OpenAI's. */
export function detectForm(row: Row): DialogueForm {
  const messages = messagesOf(row);
  if (!messages.some((message) => message.from !== undefined)) return "openai";
  return row.image !== undefined && row.image !== null && row.images === undefined ? "llava" : "sharegpt";
}
