/** Opens, checks and fingerprints a model directory. No hub, no network, no Python. */
import { stat } from "node:fs/promises";
import { DraftsmithError, digestOf, sha256 } from "../base/index.js";
import { readChatTemplate } from "./chat-template.js";
import { readOptionalJson, readRequiredJson } from "./files.js";
import { maskTokenId } from "./mask-token.js";
import { type Precision, readPrecision } from "./precision.js";
import { type ProcessorSettings, readProcessorSettings } from "./processor-settings.js";
import { endsOf, findSpecialIds, type SpecialIds } from "./special-ids.js";
import { CONFIG_FILE, parseTargetConfig, type TargetConfig } from "./target-config.js";
import { readTokenizerFiles, type TokenizerFiles } from "./tokenizer-files.js";
import { readVideoSettings, type VideoSettings } from "./video-settings.js";

/** SHA-256 digests; equal fingerprints mean equal ids. */
export interface ModelFingerprints {
  /** Of config.json's bytes. */
  config: string;
  /** Of tokenizer.json's bytes. */
  tokenizer: string;
  /** Of the chat template's text, wherever it is kept. */
  template: string;
  /** Of the canonical JSON of the processor's effective settings: two spellings of the same settings are equal. */
  processor: string;
  /** The same for the video processor; absent if the directory has none. */
  video?: string;
}

export interface ModelDirectory {
  dir: string;
  config: TargetConfig;
  tokenizer: TokenizerFiles;
  template: string;
  /** Used instead of `template` for requests with tools; null if the directory has none. */
  toolTemplate: string | null;
  processor: ProcessorSettings;
  /** null if transformers would find none either. */
  video: VideoSettings | null;
  specialIds: SpecialIds;
  /** bos and eos as a draft's config names them. */
  ends: { bos: number | null; eos: number | null };
  /** null if the vocabulary has no spare id. */
  maskTokenId: number | null;
  precision: Precision;
  fingerprints: ModelFingerprints;
  /** Observations that are not errors. */
  notes: string[];
}

/**
 * Opens a directory of type qwen3_vl, qwen3_vl_moe, qwen3_5 or qwen3_5_moe. Throws MODEL_INVALID (INPUT_MISSING for the
 * directory itself) naming the file and field that is missing or inconsistent. Weights are not read.
 */
export async function openModel(dir: string): Promise<ModelDirectory> {
  const found = await stat(dir).catch(() => null);
  if (found === null || !found.isDirectory()) {
    throw new DraftsmithError("INPUT_MISSING", `the model directory ${dir} does not exist`, {
      location: { file: dir },
      hint: "hub names are not supported: download the snapshot and give its directory",
    });
  }
  const configFile = await readRequiredJson(dir, CONFIG_FILE, "is this a model directory?");
  const config = parseTargetConfig(dir, configFile.json);
  const tokenizer = await readTokenizerFiles(dir, config.modelType);
  const template = await readChatTemplate(dir, tokenizer.config);
  const processor = await readProcessorSettings(dir, config);
  const video = await readVideoSettings(dir, config);
  const generation = await readOptionalJson(dir, "generation_config.json");
  const notes = [...tokenizer.notes, ...template.notes, ...video.notes];
  if (generation === null)
    notes.push("generation_config.json is missing: stop ids come from config.json and the tokenizer");
  return {
    dir,
    config,
    tokenizer,
    template: template.text,
    toolTemplate: template.toolText,
    processor,
    video: video.settings,
    ends: endsOf(config, generation?.json ?? null),
    specialIds: findSpecialIds(dir, config, tokenizer, generation?.json ?? null),
    maskTokenId: maskTokenId(config.vocabSize, tokenizer),
    precision: readPrecision(configFile.json),
    fingerprints: {
      config: sha256(configFile.text),
      tokenizer: sha256(tokenizer.text),
      template: sha256(template.text + (template.toolText ?? "")),
      processor: digestOf(processor),
      ...(video.settings === null ? {} : { video: digestOf(video.settings) }),
    },
    notes,
  };
}
