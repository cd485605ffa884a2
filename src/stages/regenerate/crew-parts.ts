/** What the crew and the re-check work with. */
import type { Fleet } from "./fleet.js";
import type { Ledger } from "./ledger.js";
import type { PromptCheck } from "./prompt-check.js";
import type { QuestionParts } from "./request.js";
import type { Tally } from "./tally.js";

export interface CrewParts extends QuestionParts {
  fleet: Fleet;
  ledger: Ledger;
  tally: Tally;
  note(level: "info" | "warn", message: string): void;
  /** Undefined without a model directory. */
  prompts: PromptCheck | undefined;
  /** Of all dialogues, if it is known; the early stop on failures needs it. */
  total: number | undefined;
  /** Ctrl-C. */
  signal: AbortSignal;
}
