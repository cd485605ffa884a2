/** Options for which dialogues are asked, and what becomes of earlier answers. */
import { z } from "zod";

const PARTITION = /^(0|[1-9]\d{0,5})\/([1-9]\d{0,5})$/;

const sampleSchema = z
  .number()
  .positive()
  .refine((value) => value < 1 || Number.isInteger(value), {
    error: "a share below 1, or a whole number of dialogues",
  });

const partitionSchema = z
  .string()
  .regex(PARTITION, { error: "i/n with i from 0 to n - 1, such as 0/8" })
  .refine((text) => isInside(text), {
    error: "i counts from 0, so it must be less than n: the last of 8 parts is 7/8",
  });

function isInside(text: string): boolean {
  const [index = 0, count = 0] = text.split("/").map(Number);
  return index < count;
}

export const controlOptions = {
  sample: sampleSchema
    .optional()
    .describe(
      "for trying out: this many dialogues (or, below 1, this share), chosen by their content and `sampleSeed`",
    ),
  sampleSeed: z.number().int().nonnegative().default(0).describe("another seed makes `sample` choose others"),
  onlyIds: z.array(z.string().min(1)).default([]).describe("for trying out: only the dialogues with these ids"),
  onlyIdsFile: z.string().min(1).optional().describe("the same, from a text file with one id a line"),
  partition: partitionSchema
    .optional()
    .describe(
      "i/n: only part i (from 0) of n, chosen by content, for more than one machine; the stage `merge` puts parts together",
    ),
  redo: z
    .array(z.string().min(1))
    .default([])
    .describe(
      "ids of dialogues whose earlier answers (of an unfinished run, or of the input earlier) are dropped and asked again",
    ),
  redoFrom: z
    .string()
    .min(1)
    .optional()
    .describe("the same for the dialogues that a report.json of validate names as wrong; run it with keepGoing: true"),
  onConflict: z
    .enum(["refuse", "restart"])
    .default("refuse")
    .describe("earlier answers that were made with other settings: refuse to continue, or discard them and restart"),
};

/** Those of them that cannot change what the output is. */
export const NEUTRAL_CONTROL_OPTIONS = ["onConflict"] as const;
/** Those of them that choose dialogues: they change which rows there are, or which are asked again, never what a row says. */
export const CHOOSING_OPTIONS = [
  "sample",
  "sampleSeed",
  "onlyIds",
  "onlyIdsFile",
  "partition",
  "redo",
  "redoFrom",
] as const;
