/** How many tokens the frames of a video take, and the timestamps between them. */
import type { VideoPart } from "../dialogue/index.js";
import { roundHalfEven, SPECIAL_TEXT, type VideoSettings } from "../model/index.js";
import { type Grid, gridTokens } from "./image-tokens.js";
import { MAX_ASPECT_RATIO, type ResizeRule, type Size } from "./smart-resize.js";

/** Frames that are already sampled: the processor uses all of them (`do_sample_frames=False`). */
export interface VideoFrames extends Size {
  /** At least the processor's temporal patch size. */
  frames: number;
  /** Frame rate of the video that `indices` refer to. */
  fps: number;
  /** The index of each frame in that video; one per frame. */
  indices: readonly number[];
}

/** The fields of a canonical video that these rules use; all frames have the same size. */
export function framesOf({ frames, fps, indices }: VideoPart): VideoFrames {
  const { width, height } = frames[0]!;
  return { frames: frames.length, width, height, fps, indices };
}

/**
 * Same result as smart_resize of transformers' Qwen3VLVideoProcessor: it counts pixels over all frames, and first enlarges
 * frames smaller than one merged patch. Null where that raises: fewer frames than one temporal patch, or one side more
 * than 200 times the other.
 */
export function videoSmartResize(
  frames: number,
  size: Size,
  { factor, minPixels, maxPixels }: ResizeRule,
  temporalFactor: number,
): Size | null {
  if (frames < temporalFactor) return null;
  let { width, height } = size;
  if (height < factor || width < factor) {
    const scale = Math.max(factor / height, factor / width);
    height = Math.floor(height * scale);
    width = Math.floor(width * scale);
  }
  if (Math.max(height, width) / Math.min(height, width) > MAX_ASPECT_RATIO) return null;
  const rounded = { width: roundHalfEven(width / factor) * factor, height: roundHalfEven(height / factor) * factor };
  const pixels = roundHalfEven(frames / temporalFactor) * temporalFactor * rounded.height * rounded.width;
  if (pixels > maxPixels) {
    const beta = Math.sqrt((frames * height * width) / maxPixels);
    const shrink = (side: number): number => Math.max(factor, Math.floor(side / beta / factor) * factor);
    return { width: shrink(width), height: shrink(height) };
  }
  if (pixels < minPixels) {
    const beta = Math.sqrt(minPixels / (frames * height * width));
    const grow = (side: number): number => Math.ceil((side * beta) / factor) * factor;
    return { width: grow(width), height: grow(height) };
  }
  return rounded;
}

/** The grid of a video (t in temporal patches; the last frame is repeated to fill one), or null if the processor rejects it. */
export function videoGrid({ frames, ...size }: Size & { frames: number }, settings: VideoSettings): Grid | null {
  const { patchSize, temporalPatchSize } = settings;
  const resized = videoSmartResize(frames, size, videoResizeRule(frames, settings), temporalPatchSize);
  if (resized === null) return null;
  return [Math.ceil(frames / temporalPatchSize), resized.height / patchSize, resized.width / patchSize];
}

/** Placeholder tokens of each temporal patch: each patch is a run of its own, with a timestamp before it. */
export function patchTokens([t, h, w]: Grid, mergeSize: number): number[] {
  return Array<number>(t).fill(gridTokens([1, h, w], mergeSize));
}

/** The pixel limits over all frames; `cap_pixels_per_frame` limits each frame of a short clip. */
function videoResizeRule(frames: number, settings: VideoSettings): ResizeRule {
  const { patchSize, mergeSize, minPixels, maxPixels, capPixelsPerFrame, maxVideoTokens } = settings;
  const factor = patchSize * mergeSize;
  if (!capPixelsPerFrame) return { factor, minPixels, maxPixels };
  const cap = Math.min(maxVideoTokens * factor * factor, Math.floor(maxPixels / frames));
  return { factor, minPixels, maxPixels: Math.max(cap, Math.floor(minPixels * 1.05)) * frames };
}

/** Timestamp of each temporal patch in seconds: the mean of its first and last frame; the last frame fills a partial patch. */
export function videoTimestamps({ indices, fps }: Pick<VideoFrames, "indices" | "fps">, patch: number): number[] {
  const times: number[] = [];
  for (let first = 0; first < indices.length; first += patch) {
    const last = Math.min(first + patch, indices.length) - 1;
    times.push((indices[first]! / fps + indices[last]! / fps) / 2);
  }
  return times;
}

/**
 * The text that replaces one `<|video_pad|>`: for each temporal patch its timestamp, and one pad between vision marks. The
 * template's own vision marks remain around all of it (transformers 5.17 and later).
 */
export function videoText(timestamps: readonly number[]): string {
  const { visionStart, videoPad, visionEnd } = SPECIAL_TEXT;
  return timestamps.map((time) => `<${oneDecimal(time)} seconds>${visionStart}${videoPad}${visionEnd}`).join("");
}

/** Python's `:.1f`. toFixed rounds exact ties up, Python to even; in binary only odd quarters are exact ties. */
export function oneDecimal(value: number): string {
  if (!Number.isInteger(value * 4) || Number.isInteger(value * 2)) return value.toFixed(1);
  return (roundHalfEven(value * 10) / 10).toFixed(1);
}
