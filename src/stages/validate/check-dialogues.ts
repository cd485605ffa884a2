/** Checks dialogues before regeneration: system prompt, special tokens in text, and whether they render at all. */
import { DraftsmithError, defined } from "../../base/index.js";
import { type Dialogue, type Message, promptMessages } from "../../dialogue/index.js";
import { findSpoof, isWellFormed } from "../../tokens/index.js";
import { countImages } from "./check-generations.js";
import { checkSystemPrompt } from "./check-system.js";
import type { DialogueSource, SourceItem } from "./dialogue-source.js";
import type { Subject } from "./subject.js";

export async function checkDialogues(
  subject: Subject,
  source: DialogueSource,
  limit: number | undefined,
  progress: (done: number) => void,
): Promise<void> {
  const { counts } = subject;
  let read = 0;
  for await (const item of source.items(limit)) {
    read += 1;
    subject.findings.look("input");
    if (item.ok) await checkDialogue(subject, item.dialogue);
    else reject(subject, source.name, item);
    if (read % 64 === 0) progress(read);
  }
  progress(read);
  if (counts.dialogues === 0) {
    const message =
      read === 0 ? `${source.name} holds no dialogues` : `all ${read} rows of ${source.name} are unusable`;
    throw new DraftsmithError("DATA_EMPTY", message, {
      frame: subject.findings.shown.map((finding) => finding.message).join("\n"),
      hint: "check the file, its format and the image roots",
    });
  }
}

/** A warning, since import counts such rows and goes on. */
function reject(
  { counts, findings }: Subject,
  file: string,
  { line, id, reason, message }: Extract<SourceItem, { ok: false }>,
): void {
  counts.rejected[reason] = (counts.rejected[reason] ?? 0) + 1;
  const place = { file: `${file}:${line}`, ...defined({ id }) };
  findings.add({ check: "input", severity: "warning", message: `${file}:${line}: ${reason}: ${message}`, place });
}

async function checkDialogue(subject: Subject, { id, messages, tools }: Dialogue): Promise<void> {
  const { counts, findings, renderer, spoof, history } = subject;
  counts.dialogues += 1;
  await checkSystemPrompt(subject, id, messages);
  countImages(subject, messages);
  findings.look("rendering");
  findings.look("special-text");
  if (!isWellFormed(messages)) {
    findings.add({
      check: "rendering",
      severity: "error",
      message: "a text holds half of a surrogate pair",
      place: { id },
    });
  }
  const found = findSpoof(messages, spoof, tools);
  if (found !== null) {
    // A warning only: tokenize drops and counts such dialogues.
    const where = found.message < 0 ? "a tool definition" : `message ${found.message}`;
    const message = `${where} spells out the special token ${found.token}`;
    findings.add({ check: "special-text", severity: "warning", message, place: { id } });
    return;
  }
  // Without a window the last prompt holds all others.
  const asked = history === "all" ? [beforeLastAnswer(messages)] : questionsOf(messages);
  const requests = asked.map((each) => ({ messages: promptMessages(each, history), tools, generationPrompt: true }));
  const failed = (await renderer.prompts(requests)).find((prompt) => !prompt.ok);
  if (failed?.ok === false)
    findings.add({ check: "rendering", severity: "error", message: failed.message, place: { id } });
}

/** What stands before each answer, and before the one that a last question still wants. */
function questionsOf(messages: readonly Message[]): (readonly Message[])[] {
  const places = messages.flatMap(({ role }, at) => (role === "assistant" ? [at] : []));
  const ends = messages.at(-1)?.role === "assistant" ? places : [...places, messages.length];
  return ends.map((end) => messages.slice(0, end));
}

/** The last prompt that regenerate will send, before its history is cut. */
export function beforeLastAnswer(messages: readonly Message[]): readonly Message[] {
  const last = messages.findLastIndex((message) => message.role === "assistant");
  return last === messages.length - 1 ? messages.slice(0, last) : messages;
}
