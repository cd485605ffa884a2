/** The stub's faults by what must become of them: one table for every test that draws from them. */
import type { Fault } from "./stub-server.js";

/** Slow answers are answers: nobody asks again. */
export const SLOW: readonly Fault[] = ["slow-first-byte", "trickle"];

/** The next attempt may do better. A flood is left out: it is cut off at megabytes. */
export const PASSING: readonly Fault[] = [
  "reset",
  "reset-midway",
  "busy",
  "rate-limited",
  "too-early",
  "error-500",
  "proxy-page",
  ...SLOW,
  "cut-json",
  "not-json",
  "deep-json",
  "no-choice",
  "ids-strings",
  "ids-huge",
  "ids-count",
  "abort",
  "finish-error",
];

/** Verdicts on a question, once and for good, with their reasons. */
export const LASTING: readonly (readonly [Fault, string])[] = [
  ["bad-request", "bad-request"],
  ["too-long", "prompt-too-long"],
  ["too-long-for-memory", "prompt-too-long"],
  ["bad-image", "bad-media"],
  ["too-large", "request-too-large"],
  ["nan", "nan-logits"],
  ["stop-mismatch", "stop-mismatch"],
  ["length-early", "length-early"],
  ["vision-token", "special-tokens"],
  ["loop", "loop"],
  ["content-filter", "finish-unknown"],
];
