/** The video processor's settings that decide how many tokens a list of frames becomes. */
import { canonicalJson, isJsonObject, type JsonObject } from "../base/index.js";
import { modelError, readOptionalJson } from "./files.js";
import { type Fail, pixelLimits, positive } from "./pixel-limits.js";
import { PREPROCESSOR_FILE, PROCESSOR_FILE } from "./processor-settings.js";
import type { TargetConfig } from "./target-config.js";

export interface VideoSettings {
  patchSize: number;
  mergeSize: number;
  temporalPatchSize: number;
  /** Least and most pixels of all frames together after resizing. */
  minPixels: number;
  maxPixels: number;
  /** Whether each frame's share is bounded too, as qwen-vl-utils does. */
  capPixelsPerFrame: boolean;
  /** The bound, in tokens of a frame. */
  maxVideoTokens: number;
}

export const VIDEO_FILE = "video_preprocessor_config.json";

/** Class defaults of transformers' Qwen3VLVideoProcessor. */
const DEFAULTS = {
  patchSize: 16,
  mergeSize: 2,
  temporalPatchSize: 2,
  minPixels: 128 * 32 * 32,
  maxPixels: 32 * 32 * 768,
  maxVideoTokens: 768,
};

/**
 * Settings from processor_config.json (video_processor), else video_preprocessor_config.json, else the image's own
 * preprocessor_config.json, in this order, as transformers 5.23 does. null where there is none of them.
 */
export async function readVideoSettings(
  dir: string,
  config: TargetConfig,
): Promise<{ settings: VideoSettings | null; notes: string[] }> {
  const nested = (await readOptionalJson(dir, PROCESSOR_FILE))?.json.video_processor;
  const own = await readOptionalJson(dir, VIDEO_FILE);
  const image = await readOptionalJson(dir, PREPROCESSOR_FILE);
  const notes: string[] = [];
  const forms: { file: string; json: JsonObject }[] = [];
  if (isJsonObject(nested)) forms.push({ file: PROCESSOR_FILE, json: nested });
  if (own !== null) forms.push({ file: VIDEO_FILE, json: own.json });
  if (forms.length === 0 && image !== null) {
    forms.push({ file: PREPROCESSOR_FILE, json: image.json });
    notes.push(`${VIDEO_FILE} is missing: transformers takes a video's pixel limits from ${PREPROCESSOR_FILE}`);
  }
  const parsed = forms.map(({ file, json }) => ({ file, settings: parse(dir, file, json, notes) }));
  const [first, second] = parsed;
  if (first === undefined) {
    notes.push(`${VIDEO_FILE} is missing: transformers' AutoProcessor does not load this directory`);
    return { settings: null, notes };
  }
  if (second !== undefined && canonicalJson({ ...first.settings }) !== canonicalJson({ ...second.settings })) {
    const keys = Object.keys(first.settings) as (keyof VideoSettings)[];
    const differing = keys
      .filter((key) => first.settings[key] !== second.settings[key])
      .map((key) => `${key} ${first.settings[key]} against ${second.settings[key]}`);
    throw modelError(
      dir,
      PROCESSOR_FILE,
      `its video_processor and ${VIDEO_FILE} disagree: ${differing.join(", ")}`,
      "video_processor",
      "delete the one that is not meant: versions of transformers differ in which they read",
    );
  }
  checkAgainstVision(dir, first.file, first.settings, config);
  return { settings: first.settings, notes };
}

function parse(dir: string, file: string, json: JsonObject, notes: string[]): VideoSettings {
  const fail: Fail = (field, message) => modelError(dir, file, `${field} ${message}`, field);
  if (json.min_pixels != null || json.max_pixels != null) {
    notes.push(`${file}: min_pixels and max_pixels are ignored for videos, transformers reads size only`);
  }
  return {
    patchSize: positive(fail, "patch_size", json.patch_size, DEFAULTS.patchSize),
    mergeSize: positive(fail, "merge_size", json.merge_size, DEFAULTS.mergeSize),
    temporalPatchSize: positive(fail, "temporal_patch_size", json.temporal_patch_size, DEFAULTS.temporalPatchSize),
    ...pixelLimits(json, fail, DEFAULTS, "ignored"),
    capPixelsPerFrame: json.cap_pixels_per_frame === true,
    maxVideoTokens: positive(fail, "max_video_tokens", json.max_video_tokens, DEFAULTS.maxVideoTokens),
  };
}

function checkAgainstVision(dir: string, file: string, settings: VideoSettings, config: TargetConfig): void {
  const pairs = [
    ["patch_size", settings.patchSize, config.vision.patchSize, "patch_size"],
    ["merge_size", settings.mergeSize, config.vision.mergeSize, "spatial_merge_size"],
    ["temporal_patch_size", settings.temporalPatchSize, config.vision.temporalPatchSize, "temporal_patch_size"],
  ] as const;
  for (const [field, ours, theirs, theirField] of pairs) {
    if (ours === theirs) continue;
    const message = `${field} is ${ours}, but the vision tower of config.json has ${theirField} ${theirs}`;
    throw modelError(dir, file, message, field);
  }
}
