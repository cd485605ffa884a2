/** What a list of frames must be to be a video, whatever form it came in. */

/** Bounds within which the times of frames are written out as Python writes them. */
export const MIN_FPS = 0.001;
export const MAX_FPS = 1_000_000;
export const MAX_FRAME_INDEX = 1_000_000_000;

/** Why a video's frames are not taken: stable codes that end up in counts and in rejected.jsonl. */
export const VIDEO_REASONS = {
  "video-too-few-frames": "a video has fewer frames than the processor joins into one patch",
  "video-too-many-frames": "a video has more frames than the limit",
  "video-too-many-pixels": "the frames of a video have more pixels together than the limit",
  "video-frame-sizes": "the frames of a video differ in size",
} as const;

export type VideoReason = keyof typeof VIDEO_REASONS;

export interface VideoLimits {
  minVideoFrames: number;
  maxVideoFrames: number;
  /** Width times height of all frames of a video together. */
  maxVideoPixels: number;
}

/** Two frames are one temporal patch of every Qwen target; 768 frames are what their processors sample at most. */
export const DEFAULT_VIDEO_LIMITS: VideoLimits = {
  minVideoFrames: 2,
  maxVideoFrames: 768,
  maxVideoPixels: 512 << 20,
};

interface Size {
  width: number;
  height: number;
}

export type VideoProblem = { reason: VideoReason; message: string };

/** Before any frame is read. */
export function frameCountProblem(frames: number, limits: VideoLimits): VideoProblem | null {
  const { minVideoFrames, maxVideoFrames } = limits;
  if (frames < minVideoFrames) {
    const message = `a video of ${frames} frames; at least ${minVideoFrames} are needed`;
    return { reason: "video-too-few-frames", message };
  }
  if (frames <= maxVideoFrames) return null;
  return {
    reason: "video-too-many-frames",
    message: `a video of ${frames} frames; at most ${maxVideoFrames} are taken`,
  };
}

/** Of the frames read so far. */
export function framesProblem(frames: readonly Size[], { maxVideoPixels }: VideoLimits): VideoProblem | null {
  const [first, last] = [frames[0], frames.at(-1)];
  if (first === undefined || last === undefined) return null;
  if (!haveOneSize([first, last])) {
    const message = `frame ${frames.length - 1} is ${last.width}x${last.height}, the first one ${first.width}x${first.height}`;
    return { reason: "video-frame-sizes", message };
  }
  if (frames.length * first.width * first.height <= maxVideoPixels) return null;
  const message = `${frames.length} frames of ${first.width}x${first.height}: more than ${maxVideoPixels} pixels`;
  return { reason: "video-too-many-pixels", message };
}

export function haveOneSize(frames: readonly Size[]): boolean {
  return frames.every(({ width, height }) => width === frames[0]!.width && height === frames[0]!.height);
}

export function isRising(values: readonly number[]): boolean {
  return values.every((value, at) => at === 0 || value >= values[at - 1]!);
}
