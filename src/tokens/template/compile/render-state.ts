/** The state of one rendering: its variables and its remaining work, which is bounded as templates are untrusted. */
import { TemplateFailure, TemplateUnsupported } from "../errors.js";
import type { Value } from "../values/values.js";

/** Maximum steps of one rendering. A loop iteration or call is one step, plus one per 32 characters or items of its operand. */
export const MAX_STEPS = 10_000_000;

/** Maximum nesting of macro calls and recursive loops: one more exceeds Python's limit of 1,000 stack frames. */
export const MAX_DEPTH = 198;

export class RenderState {
  private steps = 0;
  private depth = 0;

  constructor(readonly variables: ReadonlyMap<string, Value>) {}

  /** Accounts for one step on an operand of this size. */
  spend(size = 0): void {
    this.steps += 1 + (size >>> 5);
    if (this.steps > MAX_STEPS) throw new TemplateUnsupported(`more than ${MAX_STEPS} steps of work`);
  }

  /** Runs the body of a macro or recursive loop one level deeper. */
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
