/** Estimates the cost of a run from the size of its input. */
import { formatBytes } from "../../events/index.js";
import { dialoguesIn, type Estimate, type Expected, type InputArtifact } from "../stage.js";
import type { TokenizeOptions } from "./options.js";

/** Dialogues per second on one core, each with a 1080p screenshot; measured by test/stages/tokenize/bench.ts. */
const RATE: Record<TokenizeOptions["source"], number> = { ids: 1500, fixed: 800 };

/** An id of 4 bytes, its mask and its type of 1 byte each. */
const BYTES_PER_TOKEN = 6;

export function estimate(
  source: TokenizeOptions["source"],
  input: InputArtifact | undefined,
  limit: number | undefined,
  expected: Expected = {},
): Estimate {
  const all = input === undefined ? expected.dialogues : dialoguesIn(input);
  if (all === undefined) return { lines: [`about ${RATE[source]} dialogues a second on one core`] };
  const dialogues = Math.min(all, limit ?? Infinity);
  const seconds = Math.max(1, Math.round(dialogues / RATE[source]));
  const lines = [`${dialogues} dialogues, about ${seconds} s on one core`];
  const hours = seconds / 3600;
  const { rows, rowTokens } = expected;
  if (rows === undefined || rowTokens === undefined) return { lines, hours };
  const diskBytes = dialogues * rows * rowTokens * BYTES_PER_TOKEN;
  return { lines: [...lines, `disk: about ${formatBytes(diskBytes)} of rows, as expected`], hours, diskBytes };
}
