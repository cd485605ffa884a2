/** What a training would cost: asked of the trainer, which alone knows the arithmetic. Loads no weights, writes nothing. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DraftsmithError, isJsonObject, type JsonObject } from "../../base/index.js";
import { formatBytes, silentSink } from "../../events/index.js";
import { existingPython, runJob } from "../../trainer-process/index.js";
import { type Estimate, type Expected, type InputArtifact, limitedRows } from "../stage.js";
import type { TrainOptions } from "./options.js";

/** Bytes of a parameter in a saved state: the master and two moments of AdamW, in fp32. */
const STATE_BYTES = 12;
/** A state is replaced only when the next one is complete. */
const STATES = 2;
/** The untrained draft and the best one, beside those of `keepLast`. */
const DRAFTS = 2;

/**
 * Parameters, steps, memory by part and hours, as lines; and what checkpoints take on the disk.
 * @throws DraftsmithError DOES_NOT_FIT with the lines as its frame
 */
export async function estimate(
  options: TrainOptions,
  { shards }: { shards: InputArtifact | undefined },
  limit?: number,
  expected?: Expected,
): Promise<Estimate> {
  if ((await existingPython()) === null) {
    return { lines: ["no estimate yet: the first step that needs it makes the trainer's Python environment"] };
  }
  const { model, processes, nodes, nodeRank: _node, rendezvous: _rendezvous, ...trainer } = options;
  const facts = await planned({
    target: model,
    shards: shards?.path ?? null,
    expected: shards === undefined ? expectedRows(expected, limit) : null,
    world: Math.max(1, processes) * nodes,
    options: { ...trainer, maxTrainRows: limitedRows(trainer.maxTrainRows, limit) } as JsonObject,
  });
  const lines = Array.isArray(facts.lines) ? facts.lines.map(String) : [];
  if (isJsonObject(facts.refusal)) {
    throw new DraftsmithError("DOES_NOT_FIT", String(facts.refusal.message), {
      hint: String(facts.refusal.hint),
      frame: lines.join("\n"),
    });
  }
  const disk = diskOf(facts, options);
  return {
    lines: disk === undefined ? lines : [...lines, `disk: about ${formatBytes(disk)} for states and drafts`],
    hours: hoursOf(facts),
    diskBytes: disk,
  };
}

/** What the pipeline expects of the rows, for a training whose shards are not there yet; null: not enough is known. */
function expectedRows(expected: Expected | undefined, limit: number | undefined): JsonObject | null {
  const { dialogues, rows, rowTokens, turns, answerTokens, rowImages, imageTokens } = expected ?? {};
  if (dialogues === undefined || rows === undefined || rowTokens === undefined) return null;
  if (turns === undefined || answerTokens === undefined) return null;
  const answers = turns / rows;
  return {
    rows: Math.max(1, Math.round(Math.min(dialogues, limit ?? Infinity) * rows)),
    tokens: rowTokens,
    answers,
    supervised: answers * answerTokens,
    pictures: imageTokens === undefined ? 0 : (rowImages ?? 0),
    pictureTokens: imageTokens ?? 0,
  };
}

/** Of this machine's GPU, else of the first that is known; undefined where the number of steps is not. */
function hoursOf({ cards }: JsonObject): number | undefined {
  const [card] = Array.isArray(cards) ? cards.filter(isJsonObject) : [];
  const { trainHours, evaluateHours } = card ?? {};
  return typeof trainHours === "number" && typeof evaluateHours === "number" ? trainHours + evaluateHours : undefined;
}

function diskOf({ parameters, steps }: JsonObject, options: TrainOptions): number | undefined {
  const { dtype, keepLast, keepEvery } = options;
  const draft = isJsonObject(parameters) ? parameters.draft : undefined;
  if (typeof draft !== "number") return undefined;
  const between = keepEvery === null || typeof steps !== "number" ? 0 : Math.floor(steps / keepEvery);
  // Beside the state, and again in the output.
  const drafts = 2 * (DRAFTS + keepLast + between);
  return draft * (STATES * STATE_BYTES + drafts * (dtype === "fp32" ? 4 : 2));
}

async function planned(config: JsonObject): Promise<JsonObject> {
  const directory = await mkdtemp(join(tmpdir(), "draftsmith-plan-"));
  try {
    const result = await runJob({
      job: "plan",
      config,
      configFile: join(directory, "job.json"),
      step: "train",
      events: silentSink,
      signal: new AbortController().signal,
    });
    return isJsonObject(result.facts) ? result.facts : {};
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
