/** How many tokens an image takes. */
import type { ProcessorSettings } from "../model/index.js";
import { type ResizeRule, type Size, smartResize } from "./smart-resize.js";

/** Temporal, vertical and horizontal patches, before merging. */
export type Grid = readonly [t: number, h: number, w: number];

export function resizeRule(settings: ProcessorSettings): ResizeRule {
  const { patchSize, mergeSize, minPixels, maxPixels } = settings;
  return { factor: patchSize * mergeSize, minPixels, maxPixels };
}

/** The grid of a still image, or null if the processor rejects its aspect ratio. */
export function imageGrid(size: Size, settings: ProcessorSettings): Grid | null {
  const resized = smartResize(size, resizeRule(settings));
  if (resized === null) return null;
  return [1, resized.height / settings.patchSize, resized.width / settings.patchSize];
}

/** Placeholder tokens of a grid: one per mergeSize x mergeSize patches. */
export function gridTokens([t, h, w]: Grid, mergeSize: number): number {
  return (t * h * w) / (mergeSize * mergeSize);
}
