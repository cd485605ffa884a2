/** Finds the runs of pads in expanded ids and checks them against the grids of the images and videos. */
import type { SpecialIds } from "../model/index.js";

export interface Run {
  start: number;
  /** Exclusive. */
  end: number;
}

/** Runs of one id, in order. */
export function runsOf(ids: Int32Array, id: number): Run[] {
  const runs: Run[] = [];
  for (let at = 0; at < ids.length; at += 1) {
    if (ids[at] !== id) continue;
    const start = at;
    while (at < ids.length && ids[at] === id) at += 1;
    runs.push({ start, end: at });
  }
  return runs;
}

export type RunProblem = { at: number; message: string };

/** The first difference between the runs and `counts` (tokens of each image, in order), or null. */
export function imageRunProblem(ids: Int32Array, special: SpecialIds, counts: readonly number[]): RunProblem | null {
  return runProblem(ids, special, special.imagePad, counts, "image");
}

/** The same for videos: `counts` are the tokens of each temporal patch of each video, in order. */
export function videoRunProblem(ids: Int32Array, special: SpecialIds, counts: readonly number[]): RunProblem | null {
  return runProblem(ids, special, special.videoPad, counts, "video patch");
}

function runProblem(
  ids: Int32Array,
  special: SpecialIds,
  pad: number,
  counts: readonly number[],
  name: string,
): RunProblem | null {
  const runs = runsOf(ids, pad);
  for (const [index, run] of runs.entries()) {
    const expected = counts[index];
    if (expected === undefined) break;
    const length = run.end - run.start;
    if (length !== expected) {
      return { at: run.start, message: `${name} ${index + 1} has ${length} tokens, but its size gives ${expected}` };
    }
    if (ids[run.start - 1] !== special.visionStart || ids[run.end] !== special.visionEnd) {
      return { at: run.start, message: `${name} ${index + 1} is not enclosed by vision_start and vision_end` };
    }
  }
  if (runs.length !== counts.length) {
    return {
      at: runs[counts.length]?.start ?? ids.length,
      message: `${runs.length} ${name} runs for ${counts.length} ${name === "image" ? "images" : "patches"}`,
    };
  }
  return null;
}
