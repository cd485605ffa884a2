/** Estimates the cost of a run from the size of its inputs. */
import { dialoguesIn, type Estimate } from "../stage.js";
import type { ValidateOptions } from "./options.js";
import type { ValidateInputs } from "./run.js";

/** Dialogues and rows per second on one core, each with a 1080p screenshot; measured by test/stages/tokenize/bench.ts. */
const PROMPTS_A_SECOND = 1200;
const ROWS_A_SECOND = 3000;

export function estimate(options: ValidateOptions, inputs: ValidateInputs): Estimate {
  const lines: string[] = [];
  const counted = inputs.generations ?? inputs.dialogues;
  const dialogues = counted && dialoguesIn(counted);
  const rows = (inputs.rows ?? inputs.shards)?.manifest.counts.rows;
  if (dialogues !== undefined)
    lines.push(`renders ${dialogues} dialogues, about ${seconds(dialogues / PROMPTS_A_SECOND)}`);
  const images = inputs.dialogues?.manifest.counts.images;
  if (options.verifyImages && typeof images === "number") lines.push(`reads ${images} images whole`);
  if (typeof rows === "number") lines.push(`reads ${rows} rows, about ${seconds(rows / ROWS_A_SECOND)}`);
  if (options.server !== undefined) lines.push(`asks the server for ${options.serverSample} prompts`);
  return { lines };
}

function seconds(value: number): string {
  return `${Math.max(1, Math.round(value))} s on one core`;
}
