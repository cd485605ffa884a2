/** The video processor's settings that determine the token count of a list of frames. */
import { isJsonObject, type JsonObject } from "../base/index.js";
import { modelError, readOptionalJson } from "./files.js";
import { agreedSettings, type FoundSettings, type PatchSettings, parsePatchSettings } from "./patch-settings.js";
import { type Fail, positive } from "./pixel-limits.js";
import { PREPROCESSOR_FILE, PROCESSOR_FILE } from "./processor-settings.js";
import type { TargetConfig } from "./target-config.js";

export interface VideoSettings extends PatchSettings {
  /** Whether each frame's pixels are limited too, as in qwen-vl-utils. */
  capPixelsPerFrame: boolean;
  /** That limit, in tokens per frame. */
  maxVideoTokens: number;
}

export const VIDEO_FILE = "video_preprocessor_config.json";

/** Class defaults of transformers' Qwen3VLVideoProcessor. */
const DEFAULTS: PatchSettings = {
  patchSize: 16,
  mergeSize: 2,
  temporalPatchSize: 2,
  minPixels: 128 * 32 * 32,
  maxPixels: 32 * 32 * 768,
  imageMean: [0.5, 0.5, 0.5],
  imageStd: [0.5, 0.5, 0.5],
  rescaleFactor: 1 / 255,
};
const MAX_VIDEO_TOKENS = 768;

/**
 * Settings from processor_config.json (video_processor), else video_preprocessor_config.json, else
 * preprocessor_config.json, the order of transformers 5.23. null if none of them exists.
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
    notes.push(`${VIDEO_FILE} is missing: transformers reads a video's pixel limits from ${PREPROCESSOR_FILE}`);
  }
  const [first, second] = forms.map(({ file, json }): FoundSettings<VideoSettings> => {
    return { file, settings: parse(dir, file, json, notes) };
  });
  if (first === undefined) {
    notes.push(`${VIDEO_FILE} is missing: transformers' AutoProcessor does not load this directory`);
    return { settings: null, notes };
  }
  return { settings: agreedSettings(dir, config, "video_processor", first, second), notes };
}

function parse(dir: string, file: string, json: JsonObject, notes: string[]): VideoSettings {
  const fail: Fail = (field, message) => modelError(dir, file, `${field} ${message}`, field);
  if (json.min_pixels != null || json.max_pixels != null) {
    notes.push(`${file}: min_pixels and max_pixels are ignored for videos: transformers reads only size`);
  }
  return {
    ...parsePatchSettings(json, fail, DEFAULTS, "ignored"),
    capPixelsPerFrame: json.cap_pixels_per_frame === true,
    maxVideoTokens: positive(fail, "max_video_tokens", json.max_video_tokens, MAX_VIDEO_TOKENS),
  };
}
