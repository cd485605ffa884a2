/** What the crew and the re-check work with. */
import type { Fleet } from "./fleet.js";
import type { ImageStore } from "./image-store.js";
import type { Ledger } from "./ledger.js";
import type { RegenerateOptions } from "./options.js";
import type { PromptCheck } from "./prompt-check.js";
import type { Tally } from "./tally.js";

export interface CrewParts {
  options: RegenerateOptions;
  fleet: Fleet;
  ledger: Ledger;
  images: ImageStore;
  tally: Tally;
  note(level: "info" | "warn", message: string): void;
  /** Undefined without a model directory. */
  prompts: PromptCheck | undefined;
  /** Of all dialogues, if it is known; the early stop on failures needs it. */
  total: number | undefined;
  /** Ctrl-C. */
  signal: AbortSignal;
}
