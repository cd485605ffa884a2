/** What the workers and the re-check share. */

import type { Ledger } from "../ledger/ledger.js";
import type { PromptCheck } from "../prompts/prompt-check.js";
import type { Progress } from "../report/progress.js";
import type { Redo } from "../selection/redo.js";
import type { ServerPool } from "../servers/server-pool.js";
import type { QuestionParts } from "./request.js";

export interface RunParts extends QuestionParts {
  pool: ServerPool;
  ledger: Ledger;
  progress: Progress;
  note(level: "info" | "warn", message: string): void;
  /** Undefined without a model directory. */
  prompts: PromptCheck | undefined;
  /** Dialogues whose earlier answers are dropped. */
  redo: Redo | undefined;
  /** Of all dialogues, if it is known; the early stop on failures needs it. */
  total: number | undefined;
  /** Ctrl-C. */
  signal: AbortSignal;
}
