/** One rendering: the variables it was given and the bounds of its work. Templates come from strangers. */
import { TemplateFailure, TemplateUnsupported } from "../errors.js";
import type { Value } from "../values/values.js";

/** Steps of one rendering: a loop's iteration or a call is one, and every 32 characters or items that a call works on. */
export const MAX_STEPS = 10_000_000;

/** Calls of macros and recursive loops inside each other: one more exceeds Python's limit of 1,000 stack frames. */
export const MAX_DEPTH = 198;

export class Run {
  private steps = 0;
  private depth = 0;

  constructor(readonly variables: ReadonlyMap<string, Value>) {}

  /** Counts a step of work on so many characters or items. */
  spend(size = 0): void {
    this.steps += 1 + (size >>> 5);
    if (this.steps > MAX_STEPS) throw new TemplateUnsupported(`more than ${MAX_STEPS} steps of work`);
  }

  /** Runs a macro's or a recursive loop's body, one level deeper. */
  nested<T>(body: () => T): T {
    this.depth += 1;
    if (this.depth > MAX_DEPTH) throw new TemplateFailure("it recurses too deeply");
    try {
      return body();
    } finally {
      this.depth -= 1;
    }
  }
}
