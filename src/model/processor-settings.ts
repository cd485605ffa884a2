/** The image processor's settings that determine an image's token count and its pixel values. */
import { isJsonObject, type JsonObject } from "../base/index.js";
import { modelError, readOptionalJson } from "./files.js";
import { agreedSettings, type FoundSettings, type PatchSettings, parsePatchSettings } from "./patch-settings.js";
import type { Fail } from "./pixel-limits.js";
import type { TargetConfig } from "./target-config.js";

export type ProcessorSettings = PatchSettings;

export const PREPROCESSOR_FILE = "preprocessor_config.json";
export const PROCESSOR_FILE = "processor_config.json";

/** Class defaults of transformers' Qwen2VLImageProcessor, for absent keys. */
const DEFAULTS: ProcessorSettings = {
  patchSize: 14,
  mergeSize: 2,
  temporalPatchSize: 2,
  minPixels: 56 * 56,
  maxPixels: 28 * 28 * 1280,
  imageMean: [0.48145466, 0.4578275, 0.40821073],
  imageStd: [0.26862954, 0.26130258, 0.27577711],
  rescaleFactor: 1 / 255,
};

const KNOWN_TYPES = ["Qwen2VLImageProcessor", "Qwen2VLImageProcessorFast", "Qwen2VLImageProcessorPil"];

/**
 * Settings from processor_config.json (where transformers 5 nests them) or preprocessor_config.json. transformers
 * prefers the nested form; it is an error if both are present and disagree, because versions differ in what they load.
 */
export async function readProcessorSettings(dir: string, config: TargetConfig): Promise<ProcessorSettings> {
  const nested = (await readOptionalJson(dir, PROCESSOR_FILE))?.json.image_processor;
  const flat = await readOptionalJson(dir, PREPROCESSOR_FILE);
  const found: FoundSettings<ProcessorSettings>[] = [];
  if (isJsonObject(nested)) found.push({ file: PROCESSOR_FILE, settings: parse(dir, PROCESSOR_FILE, nested) });
  if (flat !== null) found.push({ file: PREPROCESSOR_FILE, settings: parse(dir, PREPROCESSOR_FILE, flat.json) });
  const [first, second] = found;
  if (first !== undefined) return agreedSettings(dir, config, "image_processor", first, second);
  throw modelError(
    dir,
    PREPROCESSOR_FILE,
    "is missing from the model directory",
    undefined,
    `image token counts need ${PREPROCESSOR_FILE}, or ${PROCESSOR_FILE} with an image_processor`,
  );
}

function parse(dir: string, file: string, json: JsonObject): ProcessorSettings {
  const fail: Fail = (field, message) => modelError(dir, file, `${field} ${message}`, field);
  const type = json.image_processor_type;
  if (type !== undefined && type !== null && !KNOWN_TYPES.includes(String(type))) {
    throw fail("image_processor_type", `${JSON.stringify(type)} is not one of ${KNOWN_TYPES.join(", ")}`);
  }
  return parsePatchSettings(json, fail, DEFAULTS, "wins");
}
