/** Dialogues before any regeneration: system prompt, text that is no text, and whether they render at all. */

import { join } from "node:path";
import { readChecked } from "../../artifacts/index.js";
import { type Dialogue, dialogueSchema, type Message } from "../../dialogue/index.js";
import { findSpoof, isWellFormed } from "../../tokens/index.js";
import { countImages } from "./check-generations.js";
import { checkSystemPrompt } from "./check-system.js";
import type { Subject } from "./subject.js";

export function readDialogues(dir: string, limit: number | undefined): AsyncGenerator<Dialogue> {
  return readChecked(join(dir, "dialogues.jsonl"), dialogueSchema, limit);
}

export async function checkDialogues(
  subject: Subject,
  dir: string,
  limit: number | undefined,
  progress: (done: number) => void,
): Promise<void> {
  const { counts, findings, renderer, spoof } = subject;
  for await (const dialogue of readDialogues(dir, limit)) {
    counts.dialogues += 1;
    const { id, messages, tools } = dialogue;
    await checkSystemPrompt(subject, id, messages);
    countImages(subject, messages);
    if (!isWellFormed(messages)) {
      findings.add({
        check: "rendering",
        severity: "error",
        message: "a text holds half of a surrogate pair",
        place: { id },
      });
    }
    const found = findSpoof(messages, spoof);
    if (found !== null) {
      // tokenize drops such dialogues and counts them: here it is only said.
      const message = `message ${found.message} spells out the special token ${found.token}`;
      findings.add({ check: "special-text", severity: "warning", message, place: { id } });
    } else {
      const prompt = await renderer.prompt({ messages: beforeLastAnswer(messages), tools, generationPrompt: true });
      if (!prompt.ok) findings.add({ check: "rendering", severity: "error", message: prompt.message, place: { id } });
    }
    if (counts.dialogues % 64 === 0) progress(counts.dialogues);
  }
  progress(counts.dialogues);
}

/** The longest prompt that will be asked. */
export function beforeLastAnswer(messages: readonly Message[]): readonly Message[] {
  const last = messages.findLastIndex((message) => message.role === "assistant");
  return last === messages.length - 1 ? messages.slice(0, last) : messages;
}
