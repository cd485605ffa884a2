/**
 * Videos of a row. Only lists of frames are read, as `{"type": "video", "frames": [...], "fps"}` or in the spelling of
 * qwen-vl-utils, `{"type": "video", "video": [...], "sample_fps"}`: what a decoder would take from an encoded file
 * differs between decoders and versions, so frames are to be taken from it once, before.
 */
import { isJsonObject, numberOf } from "../base/index.js";
import type { Fields } from "./fields.js";
import { referenceOf } from "./image-reference.js";
import { SIZE_KEYS } from "./own-size.js";
import type { RawVideoPart } from "./raw-dialogue.js";
import { RowProblem } from "./row-problem.js";
import { isRising, MAX_FPS, MAX_FRAME_INDEX, MIN_FPS } from "./video-rules.js";

/** Types of parts that name encoded files or addresses. */
export const ENCODED_VIDEO_TYPES: readonly string[] = ["video_url", "input_video"];

const EXTRACT = 'extract its frames first, and list them as {"type": "video", "frames": [...], "fps": frames a second}';
const ENCODED = `an encoded video; ${EXTRACT}`;

/** Keys that choose frames out of a video; here they are chosen. */
const SAMPLING_KEYS = ["nframes", "min_frames", "max_frames", "video_start", "video_end", "sample_method"];

export function readVideoPart(fields: Fields): RawVideoPart {
  const { where, unread } = fields;
  const listed = fields.takeOne(["frames", "video", "video_url"]);
  if (typeof listed === "string" || isJsonObject(listed)) throw encodedVideo(where);
  if (!Array.isArray(listed)) throw new RowProblem("message-invalid", `${where}: a video without a list of frames`);
  fields.refuse(SIZE_KEYS, "image-size-rule", "asks for another size of the frames, which keep theirs");
  fields.refuse(SAMPLING_KEYS, "video-times", "samples frames, but those listed are already chosen");
  const frames = listed.map((frame, at) => referenceOf(frame, `${where}, frame ${at}`, unread));
  return { type: "video", frames, ...timesOf(fields, frames.length) };
}

export function encodedVideo(where: string): RowProblem {
  return new RowProblem("video-encoded", `${where}: ${ENCODED}`);
}

/** Videos listed beside a text, where `<video>` marks their places, have no times. */
export function refuseListedVideos(fields: Fields): void {
  for (const key of ["videos", "video"]) {
    const listed = fields.take(key);
    if (listed === undefined) continue;
    if (!Array.isArray(listed) || !Array.isArray(listed[0]))
      throw fields.problem("video-encoded", `\`${key}\`: ${ENCODED}`);
    throw fields.problem("video-times", `\`${key}\` lists frames without times; ${EXTRACT}, within a message`);
  }
}

/** `fps` and `indices` (0, 1, 2 ... unless told), or `timestamps` in seconds, which are indices at one frame a second. */
function timesOf(part: Fields, frames: number): Pick<RawVideoPart, "fps" | "indices"> {
  const fail = (message: string): RowProblem => part.problem("video-times", message);
  const rates = ["fps", "sample_fps", "raw_fps"].map((key) => part.take(key)).filter((rate) => rate !== undefined);
  const timestamps = part.take("timestamps");
  const indices = part.take("indices");
  if (timestamps !== undefined) {
    if (rates.length > 0 || indices !== undefined) throw fail("`timestamps` leave no room for a rate or indices");
    return { fps: 1, indices: risingList(timestamps, frames, "timestamps", fail) };
  }
  if (rates.length === 0) throw fail("its times are not given: `fps`, `sample_fps` or `timestamps` is missing");
  // qwen-vl-utils writes rates as text too.
  const [fps, ...others] = rates.map((rate) => (typeof rate === "string" ? Number(rate) : numberOf(rate)));
  if (fps === undefined || !(fps >= MIN_FPS && fps <= MAX_FPS)) {
    throw fail(`the rate is no number from ${MIN_FPS} to ${MAX_FPS}: ${JSON.stringify(rates[0]).slice(0, 40)}`);
  }
  if (others.some((other) => other !== fps)) throw fail("`fps`, `sample_fps` and `raw_fps` differ: leave one of them");
  const counted = indices ?? Array.from({ length: frames }, (_, at) => at);
  return { fps, indices: risingList(counted, frames, "indices", fail) };
}

function risingList(value: unknown, frames: number, name: string, fail: (message: string) => RowProblem): number[] {
  const isTime = (item: unknown): item is number => typeof item === "number" && item >= 0 && item <= MAX_FRAME_INDEX;
  const times = Array.isArray(value) ? value.map(numberOf) : [];
  if (!Array.isArray(value) || !times.every(isTime)) {
    throw fail(`\`${name}\` is no list of numbers from 0 to ${MAX_FRAME_INDEX}`);
  }
  if (times.length !== frames) throw fail(`${times.length} ${name} for ${frames} frames`);
  if (!isRising(times)) throw fail(`\`${name}\` must not fall`);
  return times;
}
