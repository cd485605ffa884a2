/** The image processor's settings that decide how many tokens an image becomes, and what its pixels are scaled to. */
import { canonicalJson, isJsonObject, type JsonObject, type JsonValue } from "../base/index.js";
import { modelError, readOptionalJson } from "./files.js";
import { type Fail, pixelLimits, positive } from "./pixel-limits.js";
import type { TargetConfig } from "./target-config.js";

export interface ProcessorSettings {
  patchSize: number;
  mergeSize: number;
  temporalPatchSize: number;
  /** Least and most pixels after resizing (pixel counts, not edges, whatever the keys are called). */
  minPixels: number;
  maxPixels: number;
  imageMean: number[];
  imageStd: number[];
  rescaleFactor: number;
}

export const PREPROCESSOR_FILE = "preprocessor_config.json";
export const PROCESSOR_FILE = "processor_config.json";

/** Class defaults of transformers' Qwen2VLImageProcessor, which stand in for absent keys. */
const DEFAULTS = {
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
 * prefers the nested form; where both are present and disagree, versions differ in what they load, which is an error.
 */
export async function readProcessorSettings(
  dir: string,
  config: TargetConfig,
): Promise<{ settings: ProcessorSettings; file: string }> {
  const nestedFile = await readOptionalJson(dir, PROCESSOR_FILE);
  const nested = nestedFile?.json.image_processor;
  const flat = await readOptionalJson(dir, PREPROCESSOR_FILE);
  const forms: { file: string; settings: ProcessorSettings }[] = [];
  if (isJsonObject(nested)) forms.push({ file: PROCESSOR_FILE, settings: parseSettings(dir, PROCESSOR_FILE, nested) });
  if (flat !== null)
    forms.push({ file: PREPROCESSOR_FILE, settings: parseSettings(dir, PREPROCESSOR_FILE, flat.json) });
  const first = forms[0];
  if (first === undefined) {
    throw modelError(
      dir,
      PREPROCESSOR_FILE,
      "is missing from the model directory",
      undefined,
      `image token counts need ${PREPROCESSOR_FILE}, or ${PROCESSOR_FILE} with an image_processor`,
    );
  }
  const second = forms[1];
  if (second !== undefined && canonicalJson(first.settings) !== canonicalJson(second.settings)) {
    throw modelError(
      dir,
      PROCESSOR_FILE,
      `its image_processor and ${PREPROCESSOR_FILE} disagree: ${differingKeys(first.settings, second.settings)}`,
      "image_processor",
      "delete the one that is not meant: versions of transformers differ in which they read",
    );
  }
  checkAgainstVision(dir, first.file, first.settings, config);
  return first;
}

function parseSettings(dir: string, file: string, json: JsonObject): ProcessorSettings {
  const fail: Fail = (field, message) => modelError(dir, file, `${field} ${message}`, field);
  const type = json.image_processor_type;
  if (type !== undefined && type !== null && !KNOWN_TYPES.includes(String(type))) {
    throw fail("image_processor_type", `${JSON.stringify(type)} is not one of ${KNOWN_TYPES.join(", ")}`);
  }
  for (const key of ["do_resize", "do_rescale", "do_normalize"]) {
    if (json[key] === false) throw fail(key, "is false, which is not supported");
  }
  const whole = (field: string, value: JsonValue | undefined, fallback: number): number =>
    positive(fail, field, value, fallback);
  return {
    patchSize: whole("patch_size", json.patch_size, DEFAULTS.patchSize),
    mergeSize: whole("merge_size", json.merge_size, DEFAULTS.mergeSize),
    temporalPatchSize: whole("temporal_patch_size", json.temporal_patch_size, DEFAULTS.temporalPatchSize),
    ...pixelLimits(json, fail, DEFAULTS, "wins"),
    imageMean: triple(json.image_mean, DEFAULTS.imageMean),
    imageStd: triple(json.image_std, DEFAULTS.imageStd),
    rescaleFactor: typeof json.rescale_factor === "number" ? json.rescale_factor : DEFAULTS.rescaleFactor,
  };
}

function triple(value: JsonValue | undefined, fallback: number[]): number[] {
  return Array.isArray(value) && value.every((item) => typeof item === "number") ? (value as number[]) : fallback;
}

function checkAgainstVision(dir: string, file: string, settings: ProcessorSettings, config: TargetConfig): void {
  const pairs = [
    ["patch_size", settings.patchSize, config.vision.patchSize, "patch_size"],
    ["merge_size", settings.mergeSize, config.vision.mergeSize, "spatial_merge_size"],
    ["temporal_patch_size", settings.temporalPatchSize, config.vision.temporalPatchSize, "temporal_patch_size"],
  ] as const;
  for (const [field, ours, theirs, theirField] of pairs) {
    if (ours === theirs) continue;
    throw modelError(
      dir,
      file,
      `${field} is ${ours}, but the vision tower of config.json has ${theirField} ${theirs}`,
      field,
    );
  }
}

/** The names of the settings in which two processors differ, with both values. */
export function differingKeys(a: ProcessorSettings, b: ProcessorSettings): string {
  const keys = Object.keys(a) as (keyof ProcessorSettings)[];
  return keys
    .filter((key) => canonicalJson(a[key]) !== canonicalJson(b[key]))
    .map((key) => `${key} ${JSON.stringify(a[key])} against ${JSON.stringify(b[key])}`)
    .join(", ");
}
