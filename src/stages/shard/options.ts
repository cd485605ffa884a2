import { z } from "zod";
import { licenseSchema } from "../../report/index.js";

export const shardOptionsSchema = z.strictObject({
  heldoutShare: z
    .number()
    .min(0)
    .max(0.9)
    .default(0.1)
    .describe(
      "share of the rows that training never sees; whole groups of dialogues that share screenshots are held out",
    ),
  seed: z.number().int().nonnegative().default(1).describe("decides the split and the order; equal seeds, equal bytes"),
  rowsPerShard: z
    .number()
    .int()
    .min(1)
    .default(8192)
    .describe("maximum number of rows in one training or held-out file"),
  imagesPerShard: z.number().int().min(1).default(2048).describe("maximum number of images in one image file"),
  maxRows: z
    .number()
    .int()
    .min(1)
    .optional()
    .describe(
      "maximum number of training rows, taken from the front of the shuffled order: a smaller set is part of a larger one, and the held-out rows stay the same",
    ),
  license: licenseSchema.describe(
    "licence of the rows and images, for the front matter of README.md: an identifier such as cc-by-4.0",
  ),
});

export type ShardOptions = z.infer<typeof shardOptionsSchema>;
