/** The picture library, loaded when the first picture comes (126 ms) and set up once. */
import type SharpModule from "sharp";

type Sharp = typeof SharpModule;
let loading: Promise<Sharp> | undefined;

export function loadSharp(): Promise<Sharp> {
  loading ??= import("sharp").then(({ default: sharp }) => {
    // Pictures are worked on side by side; threads within one picture only add overhead. The cache never hits.
    sharp.concurrency(1);
    sharp.cache(false);
    return sharp;
  });
  return loading;
}
