/** What a snapshot's files mean: the cases that test/trainer/target/test_cases.py holds the trainer to as well. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { isJsonObject, type JsonObject, type JsonValue } from "../../src/base/index.js";
import { openModel } from "../../src/model/index.js";
import { packageRoot } from "../../src/trainer-process/index.js";
import { Directory } from "./forms.js";

interface Case {
  name: string;
  /** Merge patches (RFC 7396) by file; null takes the file away. */
  changes?: Record<string, JsonObject | null>;
  addedTokens?: string[];
  facts?: JsonObject;
  /** Parts of the message. */
  error?: string[];
}

const cases = JSON.parse(await readFile(join(packageRoot(), "test", "model", "target-cases.json"), "utf8")) as Case[];

describe("a snapshot's files", () => {
  it.each(cases)("$name", async ({ changes = {}, addedTokens = [], facts, error }) => {
    const directory = await Directory.make();
    try {
      for (const [file, patch] of Object.entries(changes)) {
        if (patch === null) await directory.remove(file);
        else await directory.write(file, merged(await directory.json(file), patch));
      }
      if (addedTokens.length > 0) await addTokens(directory, addedTokens);
      if (error === undefined) expect(await factsOf(directory.dir)).toEqual(facts);
      else {
        const found: unknown = await openModel(directory.dir).catch((caught: unknown) => caught);
        expect(found).toMatchObject({ code: "MODEL_INVALID" });
        for (const part of error) expect(String(found)).toContain(part);
      }
    } finally {
      await directory.delete();
    }
  });
});

async function factsOf(dir: string): Promise<JsonObject> {
  const { config, maskTokenId, ends, notes } = await openModel(dir);
  return {
    modelType: config.modelType,
    layers: config.layers,
    hiddenSize: config.hiddenSize,
    heads: config.heads,
    kvHeads: config.kvHeads,
    headDim: config.headDim,
    vocabSize: config.vocabSize,
    ropeTheta: config.ropeTheta,
    partialRotaryFactor: config.partialRotaryFactor,
    mropeSection: config.mropeSection,
    maxPositions: config.maxPositions,
    rmsNormEps: config.rmsNormEps,
    tied: config.tiedEmbeddings,
    imageTokenId: config.imageTokenId,
    videoTokenId: config.videoTokenId,
    mergeSize: config.vision.mergeSize,
    bosTokenId: ends.bos,
    eosTokenId: ends.eos,
    maskTokenId,
    notes: notes.filter((note) => note.includes("generation_config.json")).length,
  };
}

function merged(value: JsonValue | undefined, patch: JsonValue): JsonValue {
  if (!isJsonObject(patch)) return patch;
  const made: JsonObject = isJsonObject(value) ? { ...value } : {};
  for (const [key, change] of Object.entries(patch)) {
    if (change === null) delete made[key];
    else made[key] = merged(made[key], change);
  }
  return made;
}

async function addTokens(directory: Directory, contents: readonly string[]): Promise<void> {
  const json = await directory.json("tokenizer.json");
  const known = json.added_tokens as JsonObject[];
  const first = Math.max(...known.map(({ id }) => id as number)) + 1;
  const flags = { special: true, lstrip: false, rstrip: false, normalized: false, single_word: false };
  const added = contents.map((content, index) => ({ id: first + index, content, ...flags }));
  await directory.write("tokenizer.json", { ...json, added_tokens: [...known, ...added] });
}
