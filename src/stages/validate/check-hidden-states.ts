/**
 * Compares the hidden states that a server returns with those that training captures of the same rows: what a draft
 * reads in service is then what it was trained on, weights, layers, image preprocessing and rounding included.
 */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import {
  ImagesFile,
  onDisk,
  readRowsFile,
  SPLITS,
  type SplitName,
  shardPaths,
  type TokenRow,
} from "../../artifacts/index.js";
import { DraftsmithError, isJsonObject, type JsonObject } from "../../base/index.js";
import {
  encodedImage,
  JsonFault,
  MalformedStates,
  parseStates,
  type ServerClient,
  type ServerIdentity,
} from "../../sglang/index.js";
import { collapsePads } from "../../tokens/index.js";
import { runJob } from "../../trainer-process/index.js";
import type { InputArtifact, StageContext } from "../stage.js";
import { pathsOf } from "./check-row-files.js";
import type { Subject } from "./subject.js";

/** Rows compared: one with images and one without, if the first rows of the shards have both. */
const ROWS = 2;
/** Rows looked at to find them. */
const LOOKED = 256;
/** Numbers asked for in one answer: as JSON up to 20 bytes each. */
const MAX_NUMBERS = 16 << 20;
/** Bytes of an answer with so many. */
export const STATES_RESPONSE_BYTES = 400 << 20;
const FEWEST_TOKENS = 8;

/**
 * Relative differences that rounding explains: sums in another order in float32; bf16's 8 bits over some dozen layers,
 * measured as 2e-2 to 4e-2 between two ways of computing the same rows.
 */
const TOLERANCE = { float32: 1e-3, other: 6e-2 } as const;

interface Chosen {
  split: SplitName;
  /** Number of the row in its split. */
  number: number;
  row: TokenRow;
  /** Length of the prompt: the row's beginning. */
  tokens: number;
}

const resultSchema = z.looseObject({
  dtype: z.string(),
  layers: z.array(
    z.looseObject({
      layer: z.number(),
      difference: z.number(),
      nearest: z.number(),
      nearestDifference: z.number(),
    }),
  ),
});

export interface StatesServer {
  client: ServerClient;
  identity: ServerIdentity;
}

/** @throws DraftsmithError SERVER_REFUSED - the server returns no states; INPUT_MISSING - no shards; TRAINER_FAILED */
export async function checkHiddenStates(
  subject: Subject,
  { client, identity }: StatesServer,
  shards: InputArtifact | undefined,
  context: StageContext,
): Promise<void> {
  const layers = identity.stateLayers;
  if (layers === undefined) {
    throw new DraftsmithError("SERVER_REFUSED", `${client.name} returns no hidden states of named layers`, {
      location: { field: "states" },
      hint: "start SGLang >= 0.5.23 with --enable-return-aux-hidden-states --speculative-algorithm DFLASH --return-aux-hidden-state-layer-ids 3 12 ... --disable-radix-cache",
    });
  }
  if (shards === undefined) {
    throw new DraftsmithError("INPUT_MISSING", "states are compared on rows of shards, and none are given", {
      location: { field: "in.shards" },
    });
  }
  const { model, findings } = subject;
  const width = layers.length * model.config.hiddenSize;
  const chosen = await chooseRows(shards, Math.floor(MAX_NUMBERS / width), model.specialIds.imagePad);
  if (chosen.length === 0) {
    throw new DraftsmithError(
      "DATA_EMPTY",
      `no row of ${shards.path} without videos begins with ${FEWEST_TOKENS} tokens`,
    );
  }
  const directory = join(context.resumeDir, "states");
  await onDisk(directory, () => mkdir(directory, { recursive: true }));
  try {
    const rows: JsonObject[] = [];
    for (const [k, one] of chosen.entries()) {
      if (context.signal.aborted) throw new DraftsmithError("INTERRUPTED", "validate was stopped");
      const file = join(directory, `${k}.f32`);
      const states = await askStates(subject, client, shards, one);
      await onDisk(file, () => writeFile(file, states), "write");
      rows.push({ split: one.split, row: one.number, tokens: one.tokens, file });
    }
    const result = await runJob({
      job: "states",
      config: { target: model.dir, shards: shards.path, layerIds: layers, rows },
      configFile: join(directory, "job.json"),
      step: context.step,
      events: context.events,
      signal: context.signal,
    });
    judge(subject, identity, resultSchema.parse(isJsonObject(result.facts) ? result.facts : {}));
    findings.look("hidden-states", chosen.length * layers.length);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function judge({ findings, options }: Subject, { settings }: ServerIdentity, seen: z.infer<typeof resultSchema>): void {
  const exact = seen.dtype === "float32" && settings?.dtype === "float32";
  const allowed = options.statesTolerance ?? (exact ? TOLERANCE.float32 : TOLERANCE.other);
  for (const { layer, difference, nearest, nearestDifference } of seen.layers) {
    if (difference <= allowed) continue;
    const other =
      nearest === layer ? "" : `; they are nearest to those of layer ${nearest} (${share(nearestDifference)})`;
    findings.add({
      check: "hidden-states",
      severity: "error",
      message: `the states that the server returns for layer ${layer} differ from the captured ones by ${share(difference)}, more than ${share(allowed)}${other}`,
      place: { field: `layer ${layer}` },
    });
  }
}

function share(difference: number): string {
  return `${Number((100 * difference).toPrecision(3))} %`;
}

/** The shortest beginnings will do: a row with images and one without, from the first rows of either split. */
async function chooseRows(shards: InputArtifact, mostTokens: number, imagePad: number): Promise<Chosen[]> {
  const found = new Map<boolean, Chosen>();
  for (const split of SPLITS) {
    let number = 0;
    for (const path of shardPaths(pathsOf(shards), split)) {
      for await (const row of readRowsFile(join(shards.path, path))) {
        if (found.size === ROWS || number >= LOOKED) break;
        const tokens = promptLength(row, mostTokens, imagePad);
        const withImages = row.inputIds.subarray(0, tokens).includes(imagePad);
        if (row.videoFrames.length === 0 && tokens >= FEWEST_TOKENS && !found.has(withImages)) {
          found.set(withImages, { split, number, row, tokens });
        }
        number += 1;
      }
    }
  }
  return [...found.values()];
}

/** At most `most` tokens of the row, and no part of an image. */
function promptLength({ inputIds }: TokenRow, most: number, imagePad: number): number {
  let end = Math.min(inputIds.length, most);
  if (end < inputIds.length && inputIds[end] === imagePad) while (end > 0 && inputIds[end - 1] === imagePad) end -= 1;
  return end;
}

async function askStates(
  { model, options }: Subject,
  client: ServerClient,
  shards: InputArtifact,
  { row, tokens }: Chosen,
): Promise<Float32Array> {
  const { imagePad } = model.specialIds;
  const inputIds = collapsePads(row.inputIds.subarray(0, tokens), imagePad);
  const shown = inputIds.filter((id) => id === imagePad).length;
  const images = await readImages(shards, row.imageHashes.slice(0, shown));
  const request = { inputIds, images, maxTokens: 1, returnStates: true };
  const reply = await client.generate(request, options.requestTimeoutSeconds * 1000);
  if (reply.status !== 200) {
    const answer = reply.body.subarray(0, 300).toString("utf8");
    throw new DraftsmithError(
      "SERVER_REFUSED",
      `${client.name} answers ${reply.status} when asked for states: ${answer}`,
    );
  }
  try {
    return parseStates(reply.body, tokens);
  } catch (error) {
    if (!(error instanceof MalformedStates || error instanceof JsonFault)) throw error;
    throw new DraftsmithError("SERVER_REFUSED", `${client.name}: ${error.message}`, { cause: error });
  }
}

async function readImages(shards: InputArtifact, hashes: readonly string[]) {
  const found = new Map<string, ReturnType<typeof encodedImage>>();
  for (const path of shardPaths(pathsOf(shards), "images")) {
    const file = await ImagesFile.open(join(shards.path, path));
    try {
      for (const hash of new Set(hashes)) {
        const image = found.has(hash) ? undefined : await file.find(hash);
        if (image !== undefined) found.set(hash, encodedImage(image.png));
      }
    } finally {
      await file.close();
    }
  }
  return hashes.map((hash) => {
    const image = found.get(hash);
    if (image !== undefined) return image;
    throw new DraftsmithError("ARTIFACT_INVALID", `image ${hash} is in none of the image files of ${shards.path}`);
  });
}
