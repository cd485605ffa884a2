/** Settings shared by image and video processors: pixel limits, normalization and patches. */
import { canonicalJson, type JsonObject, type JsonValue } from "../base/index.js";
import { modelError } from "./files.js";
import { type Fail, pixelLimits, positive } from "./pixel-limits.js";
import type { TargetConfig } from "./target-config.js";

export interface PatchSettings {
  patchSize: number;
  mergeSize: number;
  temporalPatchSize: number;
  /** Minimum and maximum pixels after resizing (counts, not edges, despite the key names); for a video, over all frames. */
  minPixels: number;
  maxPixels: number;
  imageMean: number[];
  imageStd: number[];
  rescaleFactor: number;
}

/** @param topLevel - whether top-level min_pixels and max_pixels override `size`. @param defaults - of the class, for absent keys */
export function parsePatchSettings(
  json: JsonObject,
  fail: Fail,
  defaults: PatchSettings,
  topLevel: "wins" | "ignored",
): PatchSettings {
  for (const key of ["do_resize", "do_rescale", "do_normalize"]) {
    if (json[key] === false) throw fail(key, "is false, which is not supported");
  }
  return {
    patchSize: positive(fail, "patch_size", json.patch_size, defaults.patchSize),
    mergeSize: positive(fail, "merge_size", json.merge_size, defaults.mergeSize),
    temporalPatchSize: positive(fail, "temporal_patch_size", json.temporal_patch_size, defaults.temporalPatchSize),
    ...pixelLimits(json, fail, defaults, topLevel),
    imageMean: triple(json.image_mean, defaults.imageMean),
    imageStd: triple(json.image_std, defaults.imageStd),
    rescaleFactor: typeof json.rescale_factor === "number" ? json.rescale_factor : defaults.rescaleFactor,
  };
}

function triple(value: JsonValue | undefined, fallback: number[]): number[] {
  return Array.isArray(value) && value.every((item) => typeof item === "number") ? (value as number[]) : fallback;
}

/** The settings that one file of the directory gives. */
export interface FoundSettings<S extends PatchSettings> {
  file: string;
  settings: S;
}

/**
 * The settings that transformers 5.23 uses, i.e. the first ones. Throws MODEL_INVALID if a second file disagrees (versions
 * differ in which one they read) or the vision tower uses other patch sizes.
 * @param field - the key that holds the nested form
 */
export function agreedSettings<S extends PatchSettings>(
  dir: string,
  config: TargetConfig,
  field: string,
  first: FoundSettings<S>,
  second: FoundSettings<S> | undefined,
): S {
  const differing = second === undefined ? "" : differingKeys(first.settings, second.settings);
  if (second !== undefined && differing !== "") {
    throw modelError(
      dir,
      first.file,
      `its ${field} and ${second.file} disagree: ${differing}`,
      field,
      "delete the wrong one: transformers versions differ in which one they read",
    );
  }
  checkAgainstVision(dir, first.file, first.settings, config);
  return first.settings;
}

function checkAgainstVision(dir: string, file: string, settings: PatchSettings, config: TargetConfig): void {
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

/** The settings in which two processors differ, with both values. */
export function differingKeys<S extends PatchSettings>(a: S, b: S): string {
  const keys = Object.keys(a) as (keyof S)[];
  const text = (value: S[keyof S]): string => JSON.stringify(value);
  return keys
    .filter((key) => canonicalJson({ value: a[key] as JsonValue }) !== canonicalJson({ value: b[key] as JsonValue }))
    .map((key) => `${String(key)} ${text(a[key])} against ${text(b[key])}`)
    .join(", ");
}
