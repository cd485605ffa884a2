/** Counts the system prompts of a dataset in bounded memory. */
import { sha256 } from "../base/index.js";

/** Maximum number of distinct prompts counted; a dataset with more varies its prompt per dialogue. */
const LIMIT = 1000;

export class SystemPrompts {
  /** Dialogues by prompt; null means no system prompt. */
  private readonly counts = new Map<string | null, number>();
  private others = 0;

  add(prompt: string | null): void {
    const count = this.counts.get(prompt);
    if (count === undefined && this.counts.size >= LIMIT) this.others += 1;
    else this.counts.set(prompt, (count ?? 0) + 1);
  }

  /** The number of distinct prompts and the most frequent ones, ordered by frequency, then by text. */
  summary(shown: number) {
    const sorted = [...this.counts].sort(([a, n], [b, m]) => m - n || ((a ?? "") < (b ?? "") ? -1 : 1));
    return {
      distinct: this.counts.size,
      ...(this.others === 0 ? {} : { dialoguesWithFurtherPrompts: this.others }),
      most: sorted.slice(0, shown).map(([text, dialogues]) => ({
        text,
        sha256: text === null ? null : sha256(text),
        dialogues,
      })),
    };
  }

  get distinct(): number {
    return this.counts.size;
  }
}
