/**
 * Compares the declared system prompt with that of each dialogue: one different token at the start shifts every later
 * position.
 */
import { defined } from "../../base/index.js";
import { declaredPrompt, type Message, systemText } from "../../dialogue/index.js";
import type { TokenWindow } from "../../report/index.js";
import { compareIds } from "./compare-ids.js";
import type { Subject } from "./subject.js";

/** Counts the dialogue's system prompt and reports it if it differs from the declared one. */
export async function checkSystemPrompt(subject: Subject, id: string, messages: readonly Message[]): Promise<void> {
  const { options, counts, findings } = subject;
  const found = systemText(messages);
  counts.systemPrompts.add(found);
  const declared = declaredPrompt(options.systemPrompt);
  if (declared === undefined) return;
  findings.look("system-prompt");
  if (found === declared) return;
  const difference = await firstDifference(subject, found, declared);
  findings.add({
    check: "system-prompt",
    severity: "error",
    message: `the dialogues carry ${name(found)}, but ${name(declared)} is declared for inference${difference.text}`,
    place: { id, ...defined({ index: difference.index }) },
    ...defined({ frame: difference.frame, window: difference.window }),
  });
}

function name(prompt: string | null): string {
  return prompt === null ? "no system prompt" : `the system prompt ${JSON.stringify(shorten(prompt))}`;
}

function shorten(text: string): string {
  return text.length <= 200 ? text : `${text.slice(0, 200)}...`;
}

async function firstDifference(
  { renderer, spell }: Subject,
  found: string | null,
  declared: string | null,
): Promise<{ text: string; index?: number; frame?: string; window?: TokenWindow }> {
  const [theirs, ours] = await renderer.tokenizer.encodeBatch([found ?? "", declared ?? ""]);
  const difference = compareIds(ours!, theirs!, spell, ["declared", "in the data"]);
  // Unicode normalisation can give different texts the same ids.
  if (difference === null) return { text: "; their ids are equal" };
  const { index, frame, window } = difference;
  const show = (ids: Int32Array): string => (index < ids.length ? JSON.stringify(spell(ids[index]!)) : "its end");
  return {
    text: `; first differing token: number ${index + 1}, ${show(theirs!)} in the data, ${show(ours!)} declared`,
    index,
    frame,
    window,
  };
}
