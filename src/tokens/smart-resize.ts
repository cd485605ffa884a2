/** The size to which Qwen's image processor scales an image, computed from width and height. */
import { roundHalfEven } from "../model/index.js";

export interface ResizeRule {
  /** Patch size times merge size: both sides become multiples of it. */
  factor: number;
  minPixels: number;
  maxPixels: number;
}

export interface Size {
  width: number;
  height: number;
}

/** The processor rejects images with a larger ratio. */
export const MAX_ASPECT_RATIO = 200;

/**
 * Same result as transformers' smart_resize for Qwen2VLImageProcessor; null where that raises (one side more than 200 times
 * the other). It rounds half to even and keeps the order of double operations: results near a multiple depend on both.
 */
export function smartResize({ width, height }: Size, { factor, minPixels, maxPixels }: ResizeRule): Size | null {
  if (Math.max(height, width) / Math.min(height, width) > MAX_ASPECT_RATIO) return null;
  const rounded = { width: roundHalfEven(width / factor) * factor, height: roundHalfEven(height / factor) * factor };
  const pixels = rounded.height * rounded.width;
  if (pixels > maxPixels) {
    const beta = Math.sqrt((height * width) / maxPixels);
    const shrink = (side: number): number => Math.max(factor, Math.floor(side / beta / factor) * factor);
    return { width: shrink(width), height: shrink(height) };
  }
  if (pixels < minPixels) {
    const beta = Math.sqrt(minPixels / (height * width));
    const grow = (side: number): number => Math.ceil((side * beta) / factor) * factor;
    return { width: grow(width), height: grow(height) };
  }
  return rounded;
}

/** Whether the processor keeps an image of this size unchanged. */
export function isFixedPoint(size: Size, rule: ResizeRule): boolean {
  const resized = smartResize(size, rule);
  return resized !== null && resized.width === size.width && resized.height === size.height;
}
