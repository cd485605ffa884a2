/** Estimates the cost of a run from the size of its input. */
import type { InputArtifact } from "../stage.js";
import type { TokenizeOptions } from "./options.js";

/** Dialogues per second on one core, each with a 1080p screenshot; measured by test/stages/tokenize/bench.ts. */
const RATE: Record<TokenizeOptions["source"], number> = { ids: 1500, fixed: 800 };

export function estimate(source: TokenizeOptions["source"], input: InputArtifact | undefined): string[] {
  const dialogues = input?.manifest.counts.kept;
  if (dialogues === undefined) return [`about ${RATE[source]} dialogues a second on one core`];
  const seconds = Math.max(1, Math.round(dialogues / RATE[source]));
  return [`${dialogues} dialogues, about ${seconds} s on one core`];
}
