/** What the pictures of an import would take: decoding them is the work, and their files are the disk. */
import { formatBytes, formatHours } from "../../events/index.js";
import type { Estimate, Expected } from "../stage.js";
import type { ImportOptions } from "./options.js";

/** 1080p screenshots a second and worker, decoded and written as canonical PNG: an order of magnitude, no promise. */
const IMAGES_PER_SECOND = 8;
/** A dialogue's line without its images. */
const ROW_BYTES = 4000;

export function estimate({ concurrency }: ImportOptions, limit: number | undefined, expected: Expected = {}): Estimate {
  const { dialogues, images, imageBytes } = expected;
  if (dialogues === undefined || images === undefined) return { lines: [] };
  const rows = Math.min(dialogues, limit ?? Infinity);
  const pictures = rows * images;
  const hours = pictures / (IMAGES_PER_SECOND * concurrency) / 3600;
  const lines = [
    `${Math.round(pictures)} images of ${rows} dialogues, about ${formatHours(hours)} at ${IMAGES_PER_SECOND} images/s on each of ${concurrency} cores, which is assumed`,
  ];
  if (imageBytes === undefined) return { lines, hours };
  const diskBytes = pictures * imageBytes + rows * ROW_BYTES;
  return {
    lines: [
      ...lines,
      `disk: about ${formatBytes(diskBytes)}, ${Math.round(imageBytes / 1000)} kB an image as expected`,
    ],
    hours,
    diskBytes,
  };
}
