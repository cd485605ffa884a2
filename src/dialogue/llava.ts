/**
 * LLaVA's form: ShareGPT's turns with one `image` (or a list of them). There the line break next to `<image>` is a
 * separator, "<image>\nWhat is this?", and no part of the question.
 */
import type { RawDialogue } from "./raw-dialogue.js";
import type { Row } from "./row-fields.js";
import { readTurns } from "./sharegpt.js";

export function readLlava(row: Row): RawDialogue {
  return readTurns(row, { trimLineBreaks: true });
}
