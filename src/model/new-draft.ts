/** The config of a new draft from the files of a model directory; weights, template and processor need not be there. */
import { DraftsmithError, type JsonObject } from "../base/index.js";
import { readOptionalJson, readRequiredJson, TOKENIZER_FILE } from "./files.js";
import { maskTokenId } from "./mask-token.js";
import { newDraftConfig, type RotaryMode } from "./new-draft-config.js";
import { checkVocabulary, endsOf } from "./special-ids.js";
import { CONFIG_FILE, parseTargetConfig } from "./target-config.js";
import { readTokenizerFiles } from "./tokenizer-files.js";

/** What a new draft has unless options say otherwise; the trainer has the same. */
export const DRAFT_LAYERS = 5;
export const BLOCK_SIZE = 8;

export interface DraftRequest {
  /** Undefined: 5. */
  layers?: number | undefined;
  /** Undefined: 8. */
  blockSize?: number | undefined;
  rotary: RotaryMode;
  /** Undefined: the tokenizer's own, the known one of the vocabulary, or its first spare row. */
  maskTokenId?: number | undefined;
}

/** The config as a file's text. */
export async function draftConfigText(dir: string, request: DraftRequest): Promise<string> {
  return `${JSON.stringify(await draftConfigFor(dir, request), null, 2)}\n`;
}

/** @throws DraftsmithError MODEL_INVALID naming file and field; OPTIONS_INVALID for a mask id that is not in the vocabulary */
export async function draftConfigFor(dir: string, request: DraftRequest): Promise<JsonObject> {
  const { json } = await readRequiredJson(dir, CONFIG_FILE, "is this a model directory?");
  const target = parseTargetConfig(dir, json);
  const hasTokenizer = (await readOptionalJson(dir, TOKENIZER_FILE)) !== null;
  const tokenizer = hasTokenizer
    ? await readTokenizerFiles(dir, target.modelType)
    : { idOf: () => undefined, size: target.vocabSize };
  checkVocabulary(dir, target, tokenizer);
  const mask = request.maskTokenId ?? maskTokenId(target.vocabSize, tokenizer);
  if (mask === null || mask >= target.vocabSize) {
    const message =
      mask === null
        ? `no id for the mask is known: ${hasTokenizer ? "every row of the embedding has a token" : "there is no tokenizer.json"}`
        : `the mask id ${mask} is outside the vocabulary of ${target.vocabSize}`;
    throw new DraftsmithError("OPTIONS_INVALID", message, {
      location: { file: dir, field: "maskTokenId" },
      hint: "name an id that never occurs in real text",
    });
  }
  const generation = await readOptionalJson(dir, "generation_config.json");
  const { bos, eos } = endsOf(target, generation?.json ?? null);
  return newDraftConfig(target, {
    layers: request.layers ?? DRAFT_LAYERS,
    blockSize: request.blockSize ?? BLOCK_SIZE,
    rotary: request.rotary,
    maskTokenId: mask,
    bosTokenId: bos,
    eosTokenId: eos,
  });
}
