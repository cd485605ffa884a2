/** The drafts that an evaluation measures: where each is, what it is, and what it was trained on. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { DraftsmithError, isJsonObject, type JsonObject } from "../../base/index.js";
import { readFigures } from "../../report/index.js";
import type { InputArtifact } from "../stage.js";
import type { Setup } from "./break-even.js";

export interface MeasuredDraft {
  name: string;
  /** Directory with config.json and model.safetensors. */
  path: string;
  setup: Setup;
}

export interface DraftInputs {
  draft: InputArtifact | undefined;
  checkpoints: InputArtifact | undefined;
  other: InputArtifact | undefined;
}

const bestSchema = z.looseObject({ path: z.string() });

/** @throws DraftsmithError OPTIONS_INVALID when no input holds a trained draft */
export async function measuredDrafts(untrained: boolean, inputs: DraftInputs): Promise<MeasuredDraft[]> {
  const { draft, checkpoints, other } = inputs;
  const trained = draft ?? checkpoints;
  if (trained === undefined) {
    throw new DraftsmithError("OPTIONS_INVALID", "evaluate needs a draft: give the input draft or checkpoints", {
      location: { field: "in" },
    });
  }
  const rows = checkpoints === undefined ? null : rowsOf(checkpoints);
  return [
    await measured("trained", await directoryOf(trained), rows),
    ...(other === undefined ? [] : [await measured("other", await directoryOf(other), rowsOf(other))]),
    ...(untrained && checkpoints !== undefined
      ? [await measured("untrained", join(checkpoints.path, "untrained"), 0)]
      : []),
  ];
}

/** A draft's own directory; of checkpoints the best one's. */
async function directoryOf({ path, manifest }: InputArtifact): Promise<string> {
  if (manifest.kind !== "checkpoints") return path;
  return join(path, bestSchema.parse(JSON.parse(await readFile(join(path, "best.json"), "utf8"))).path);
}

async function measured(name: string, path: string, trainingRows: number | null): Promise<MeasuredDraft> {
  const config = await readFigures(join(path, "config.json"));
  const fields: JsonObject = isJsonObject(config) ? config : {};
  const inner = isJsonObject(fields.dflash_config) ? fields.dflash_config : {};
  const block = fields.block_size ?? inner.block_size;
  return {
    name,
    path,
    setup: {
      layers: typeof fields.num_hidden_layers === "number" ? fields.num_hidden_layers : null,
      blockSize: typeof block === "number" ? block : 0,
      trainingRows,
    },
  };
}

/** How many rows a training kept; null for other artifacts, which do not say. */
function rowsOf({ manifest }: InputArtifact): number | null {
  const kept = manifest.kind === "checkpoints" ? manifest.counts.kept : undefined;
  return typeof kept === "number" ? kept : null;
}
