/**
 * Videos of a row. Only lists of frames are read, as `{"type": "video", "frames": [...], "fps"}` or in the spelling of
 * qwen-vl-utils, `{"type": "video", "video": [...], "sample_fps"}`: what a decoder would take from an encoded file
 * differs between decoders and versions, so frames are to be taken from it once, before.
 */
import { isJsonObject, numberOf } from "../base/index.js";
import type { RawVideoPart } from "./raw-dialogue.js";
import { referenceOf } from "./row-images.js";
import { RowProblem } from "./row-problem.js";
import { isRising, MAX_FPS, MAX_FRAME_INDEX, MIN_FPS } from "./video-rules.js";

type Row = Readonly<Record<string, unknown>>;

/** Types of parts that name encoded files or addresses. */
export const ENCODED_VIDEO_TYPES: readonly string[] = ["video_url", "input_video"];

const EXTRACT = 'extract its frames first, and list them as {"type": "video", "frames": [...], "fps": frames a second}';

export function readVideoPart(part: Row, where: string): RawVideoPart {
  const listed = part.frames ?? part.video ?? part.video_url;
  if (typeof listed === "string" || isJsonObject(listed)) throw encodedVideo(where);
  if (!Array.isArray(listed) || listed.length === 0) {
    throw new RowProblem("message-invalid", `${where}: a video without a list of frames`);
  }
  const frames = listed.map((frame, at) => referenceOf(frame, `${where}, frame ${at}`));
  return { type: "video", frames, ...timesOf(part, frames.length, where) };
}

export function encodedVideo(where: string): RowProblem {
  return new RowProblem("video-encoded", `${where}: an encoded video; ${EXTRACT}`);
}

/** Videos that stand beside the messages, where `<video>` marks their places, say no times. */
export function refuseListedVideos(row: Row): void {
  for (const key of ["videos", "video"]) {
    const listed = row[key];
    if (listed === undefined || listed === null || listed === "") continue;
    if (!Array.isArray(listed)) throw encodedVideo(`\`${key}\``);
    if (listed.length === 0) continue;
    if (!Array.isArray(listed[0])) throw encodedVideo(`\`${key}\``);
    const message = `\`${key}\` lists frames beside the messages, without times; ${EXTRACT}, within a message`;
    throw new RowProblem("video-times", message);
  }
}

/** `fps` and `indices` (0, 1, 2 ... unless told), or `timestamps` in seconds, which are indices at one frame a second. */
function timesOf(part: Row, frames: number, where: string): Pick<RawVideoPart, "fps" | "indices"> {
  const fail = (message: string): RowProblem => new RowProblem("video-times", `${where}: ${message}`);
  const rates = [part.fps, part.sample_fps, part.raw_fps].filter((rate) => rate !== undefined && rate !== null);
  if (part.timestamps !== undefined && part.timestamps !== null) {
    if (rates.length > 0 || part.indices != null) throw fail("`timestamps` leave no room for a rate or indices");
    return { fps: 1, indices: risingList(part.timestamps, frames, "timestamps", fail) };
  }
  if (rates.length === 0) throw fail("its times are not given: `fps`, `sample_fps` or `timestamps` is missing");
  // qwen-vl-utils writes rates as text too.
  const [fps, ...others] = rates.map((rate) =>
    typeof rate === "string" && rate.trim() !== "" ? Number(rate) : (numberOf(rate) ?? rate),
  );
  if (typeof fps !== "number" || !(fps >= MIN_FPS && fps <= MAX_FPS)) {
    throw fail(`the rate is no number from ${MIN_FPS} to ${MAX_FPS}: ${JSON.stringify(fps)?.slice(0, 40)}`);
  }
  if (others.some((other) => other !== fps)) throw fail("`fps`, `sample_fps` and `raw_fps` differ: leave one of them");
  const counted = part.indices == null ? Array.from({ length: frames }, (_, at) => at) : part.indices;
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
