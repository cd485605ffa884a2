/** What becomes of texts that spell out special tokens of the target, which a server would take for real ones. */
import type { Dialogue } from "../../dialogue/index.js";
import { openModel } from "../../model/index.js";
import { escapeSpecialText, findSpoof, spoofPattern } from "../../tokens/spoofed.js";
import type { ImportOptions } from "./options.js";

export type Judged = { ok: true; dialogue: Dialogue; escaped: number } | { ok: false; token: string };

/** Returns null for `specialText: keep`. */
export async function specialTextRule(options: ImportOptions): Promise<((dialogue: Dialogue) => Judged) | null> {
  if (options.specialText === "keep") return null;
  const pattern = spoofPattern((await openModel(options.model!)).tokenizer.addedTokens);
  return (dialogue) => {
    const { messages, escaped } =
      options.specialText === "escape"
        ? escapeSpecialText(dialogue.messages, pattern)
        : { messages: dialogue.messages, escaped: 0 };
    // Names and tool definitions are not escaped: what is left there is refused.
    const left = findSpoof(messages, pattern, dialogue.tools);
    return left === null
      ? { ok: true, dialogue: { ...dialogue, messages }, escaped }
      : { ok: false, token: left.token };
  };
}
