/** Small screenshots for the contract tests, always the same bytes for the same number. */
import sharp, { type OverlayOptions } from "sharp";
import type { Part } from "./http.js";

export interface Picture {
  png: Buffer;
  dataUri: string;
  width: number;
  height: number;
}

/** A light screen with two boxes; both sides are multiples of 32, so that no processor resizes it. */
export async function picture(seed: number, width = 256, height = 192): Promise<Picture> {
  const box = (n: number): OverlayOptions => ({
    input: {
      create: { width: 64, height: 32, channels: 3, background: { r: (seed * 70 + n * 90) % 256, g: 60, b: 120 } },
    },
    left: (seed * 32 + n * 80) % Math.max(1, width - 64),
    top: (seed * 16 + n * 64) % Math.max(1, height - 32),
  });
  const png = await sharp({ create: { width, height, channels: 3, background: "#f4f4f0" } })
    .composite([box(0), box(1)])
    .png()
    .toBuffer();
  return { png, dataUri: `data:image/png;base64,${png.toString("base64")}`, width, height };
}

export function imagePart(image: Picture | string): Part {
  return { type: "image_url", image_url: { url: typeof image === "string" ? image : image.dataUri } };
}

export function textPart(text: string): Part {
  return { type: "text", text };
}
