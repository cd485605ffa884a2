/** One model directory, read once, checked, and fingerprinted. No hub, no network, no Python. */
import { stat } from "node:fs/promises";
import { DraftsmithError, digestOf, sha256 } from "../base/index.js";
import { readChatTemplate } from "./chat-template.js";
import { readOptionalJson, readRequiredJson } from "./files.js";
import { maskTokenId } from "./mask-token.js";
import { type ProcessorSettings, readProcessorSettings } from "./processor-settings.js";
import { findSpecialIds, type SpecialIds } from "./special-ids.js";
import { CONFIG_FILE, parseTargetConfig, type TargetConfig } from "./target-config.js";
import { readTokenizerFiles, type TokenizerFiles } from "./tokenizer-files.js";
import { readVideoSettings, type VideoSettings } from "./video-settings.js";

/** sha256 each; equal fingerprints mean equal ids. */
export interface ModelFingerprints {
  /** Of config.json's bytes. */
  config: string;
  /** Of tokenizer.json's bytes. */
  tokenizer: string;
  /** Of the chat template's text, wherever it is kept. */
  template: string;
  /** Of the canonical JSON of the processor's effective settings: two spellings of the same settings are equal. */
  processor: string;
  /** The same of the video processor; absent where the directory has none. */
  video?: string;
}

export interface ModelDirectory {
  dir: string;
  config: TargetConfig;
  tokenizer: TokenizerFiles;
  template: string;
  /** Renders in place of `template` where a request has tools; null where the directory has none of its own. */
  toolTemplate: string | null;
  processor: ProcessorSettings;
  /** null where transformers would find none either. */
  video: VideoSettings | null;
  specialIds: SpecialIds;
  /** null where the vocabulary has no spare id. */
  maskTokenId: number | null;
  fingerprints: ModelFingerprints;
  /** Things worth knowing that are no errors. */
  notes: string[];
}

/**
 * Opens a directory of type qwen3_vl, qwen3_vl_moe, qwen3_5 or qwen3_5_moe. Throws MODEL_INVALID (INPUT_MISSING for the
 * directory itself) naming file and field of what is missing or contradictory. Weights are not looked at.
 */
export async function openModel(dir: string): Promise<ModelDirectory> {
  const found = await stat(dir).catch(() => null);
  if (found === null || !found.isDirectory()) {
    throw new DraftsmithError("INPUT_MISSING", `the model directory ${dir} does not exist`, {
      location: { file: dir },
      hint: "a hub name does not work here: download the snapshot and name its directory",
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
    specialIds: findSpecialIds(dir, config, tokenizer, generation?.json ?? null),
    maskTokenId: maskTokenId(config.vocabSize, tokenizer),
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
