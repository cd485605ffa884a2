/** From one row of somebody's file to a dialogue, or to the reason why not. */
import { isJsonObject } from "../base/index.js";
import { type Row, UnreadFields } from "./fields.js";
import type { RawDialogue } from "./raw-dialogue.js";
import type { FormRules } from "./read-message.js";
import { readRow } from "./read-row.js";
import { idOf, messagesOf } from "./row-fields.js";
import { type DialogueReason, RowProblem } from "./row-problem.js";
import { checkDialogue, checkSentMessages } from "./rules.js";

export const DIALOGUE_FORMS = ["openai", "sharegpt", "llava"] as const;
export type DialogueForm = (typeof DIALOGUE_FORMS)[number];

export type ReadDialogue =
  | {
      ok: true;
      form: DialogueForm;
      dialogue: RawDialogue;
      /** Names of fields with a value that nothing reads, such as `message.weight`. */
      unread: readonly string[];
    }
  | { ok: false; id: string | undefined; reason: DialogueReason; message: string };

/**
 * The forms differ in what `<image>` in a text means. OpenAI's has no placeholders: it is a word unless images are listed
 * beside the text. In ShareGPT's it always stands for the next image. In LLaVA's so too, and the line break next to it,
 * "<image>\nWhat is this?", is a separator and no part of the question.
 */
const RULES: Record<DialogueForm, FormRules> = {
  openai: { alwaysPlaceholders: false, trimLineBreaks: false },
  sharegpt: { alwaysPlaceholders: true, trimLineBreaks: false },
  llava: { alwaysPlaceholders: true, trimLineBreaks: true },
};

/** @param form the row's form; "auto" looks at the row itself, so that one file may mix them */
export function readDialogue(value: unknown, form: DialogueForm | "auto"): ReadDialogue {
  if (!isJsonObject(value)) {
    return { ok: false, id: undefined, reason: "row-not-object", message: "the line holds no JSON object" };
  }
  return asResult(value, () => {
    const known = form === "auto" ? detectForm(value) : form;
    const unread = new UnreadFields();
    const dialogue = readRow(value, RULES[known], unread);
    checkDialogue(dialogue);
    return { ok: true, form: known, dialogue, unread: unread.names };
  });
}

/**
 * The messages of a request, as they were sent: thinking stays where the client left it, and no rule but Unicode is checked. What
 * the server made of them is known, so nothing may be changed.
 *
 * @param value - the request's `messages` and `tools`, in OpenAI's form
 */
export function readSentMessages(value: Row): ReadDialogue {
  return asResult(value, () => {
    const unread = new UnreadFields();
    const dialogue = readRow(value, RULES.openai, unread);
    checkSentMessages(dialogue);
    return { ok: true, form: "openai", dialogue, unread: unread.names };
  });
}

function asResult(value: Row, read: () => ReadDialogue): ReadDialogue {
  try {
    return read();
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
