/** What a training would cost: asked of the trainer, which alone knows the arithmetic. Loads no weights, writes nothing. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DraftsmithError, isJsonObject, type JsonObject } from "../../base/index.js";
import { silentSink } from "../../events/index.js";
import { existingPython, runJob } from "../../trainer-process/index.js";
import { type InputArtifact, limitedRows } from "../stage.js";
import type { TrainOptions } from "./options.js";

/**
 * Parameters, steps, memory by part and hours, as lines.
 * @throws DraftsmithError DOES_NOT_FIT with the lines as its frame
 */
export async function estimate(
  options: TrainOptions,
  { shards }: { shards: InputArtifact | undefined },
  limit?: number,
): Promise<string[]> {
  if ((await existingPython()) === null) {
    return ["no estimate yet: the first step that needs it makes the trainer's Python environment"];
  }
  const { model, processes, nodes, nodeRank: _node, rendezvous: _rendezvous, ...trainer } = options;
  const facts = await planned({
    target: model,
    shards: shards?.path ?? null,
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
  return lines;
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
