/** The ids of structural tokens: vision placeholders, turn marks, stop tokens, thinking marks. */
import type { JsonObject } from "../base/index.js";
import { modelError, TOKENIZER_FILE } from "./files.js";
import { SPECIAL_TEXT } from "./special-text.js";
import { idsOf, type TargetConfig } from "./target-config.js";
import type { TokenizerFiles } from "./tokenizer-files.js";

export interface SpecialIds {
  imagePad: number;
  videoPad: number;
  visionStart: number;
  visionEnd: number;
  imStart: number;
  imEnd: number;
  /** Every id that ends an answer: from config.json, generation_config.json and the tokenizer's eos_token, sorted. */
  stop: number[];
  thinkStart: number | null;
  thinkEnd: number | null;
}

/** Finds the ids in the tokenizer and checks them against config.json. Throws MODEL_INVALID if they differ. */
export function findSpecialIds(
  dir: string,
  config: TargetConfig,
  tokenizer: TokenizerFiles,
  generation: JsonObject | null,
): SpecialIds {
  const idOf = (token: string): number => {
    const id = tokenizer.idOf(token);
    if (id === undefined) throw modelError(dir, TOKENIZER_FILE, `has no token ${token}`, "added_tokens");
    if (!tokenizer.addedTokens.some((added) => added.id === id)) {
      throw modelError(
        dir,
        TOKENIZER_FILE,
        `${token} is not an added token, so no text is encoded as it`,
        "added_tokens",
      );
    }
    return id;
  };
  const pairs = [
    [SPECIAL_TEXT.imagePad, "image_token_id", config.imageTokenId],
    [SPECIAL_TEXT.videoPad, "video_token_id", config.videoTokenId],
    [SPECIAL_TEXT.visionStart, "vision_start_token_id", config.visionStartTokenId],
    [SPECIAL_TEXT.visionEnd, "vision_end_token_id", config.visionEndTokenId],
  ] as const;
  for (const [token, field, wanted] of pairs) {
    const id = idOf(token);
    if (id !== wanted) {
      throw modelError(
        dir,
        "config.json",
        `${field} is ${wanted}, but the tokenizer gives ${token} the id ${id}`,
        field,
      );
    }
  }
  checkVocabulary(dir, config, tokenizer);
  return {
    imagePad: config.imageTokenId,
    videoPad: config.videoTokenId,
    visionStart: config.visionStartTokenId,
    visionEnd: config.visionEndTokenId,
    imStart: idOf(SPECIAL_TEXT.imStart),
    imEnd: idOf(SPECIAL_TEXT.imEnd),
    stop: stopIds(dir, config, tokenizer, generation),
    thinkStart: tokenizer.idOf("<think>") ?? null,
    thinkEnd: tokenizer.idOf("</think>") ?? null,
  };
}

/** Throws MODEL_INVALID if the tokenizer has ids without an embedding. More rows than ids are usual. */
export function checkVocabulary(dir: string, config: TargetConfig, tokenizer: Pick<TokenizerFiles, "size">): void {
  if (tokenizer.size <= config.vocabSize) return;
  throw modelError(
    dir,
    "config.json",
    `text_config.vocab_size is ${config.vocabSize}, but the tokenizer has ids up to ${tokenizer.size - 1}`,
    "text_config.vocab_size",
    "tokens were added without resizing the embedding, or the files are from different snapshots",
  );
}

/** bos and eos as a draft's config names them: of generation_config.json, else of config.json. */
export function endsOf(
  config: TargetConfig,
  generation: JsonObject | null,
): { bos: number | null; eos: number | null } {
  return {
    bos: idsOf(generation?.bos_token_id)[0] ?? config.bosTokenId,
    eos: idsOf(generation?.eos_token_id)[0] ?? config.eosTokenIds[0] ?? null,
  };
}

function stopIds(
  dir: string,
  config: TargetConfig,
  tokenizer: TokenizerFiles,
  generation: JsonObject | null,
): number[] {
  const ids = new Set([...config.eosTokenIds, ...idsOf(generation?.eos_token_id)]);
  const named = tokenizer.specialTokens.eos_token;
  const id = named === undefined ? undefined : tokenizer.idOf(named);
  if (id !== undefined) ids.add(id);
  if (ids.size === 0) {
    const message = "names no eos_token_id, and neither do generation_config.json and the tokenizer's files";
    throw modelError(dir, "config.json", message, "eos_token_id", "an answer would never end");
  }
  return [...ids].sort((a, b) => a - b);
}
