/** Reads the JSONL files of earlier stages, each line checked. */
import { join } from "node:path";
import { readChecked } from "../../artifacts/index.js";
import { type Dialogue, dialogueSchema, type Generation, generationSchema } from "../../dialogue/index.js";

export function readGenerations(dir: string, limit: number | undefined): AsyncGenerator<Generation> {
  return readChecked(join(dir, "generations.jsonl"), generationSchema, limit);
}

export function readDialogues(dir: string, limit: number | undefined): AsyncGenerator<Dialogue> {
  return readChecked(join(dir, "dialogues.jsonl"), dialogueSchema, limit);
}
