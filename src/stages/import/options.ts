import { z } from "zod";
import { DEFAULT_VIDEO_LIMITS, DIALOGUE_FORMS } from "../../dialogue/index.js";
import { allowedAddressProblem, DEFAULT_LIMITS } from "../../images/index.js";
import { logSchema } from "./log/options.js";

const remoteImagesSchema = z.strictObject({
  allow: z
    .array(
      z.string().superRefine((text, context) => {
        const problem = allowedAddressProblem(text);
        if (problem !== undefined) context.addIssue({ code: "custom", message: problem });
      }),
    )
    .default([])
    .describe(
      'addresses below which images may be fetched, such as https://images.example.org/set/; each ends in "/". Redirects are not followed',
    ),
  timeoutSeconds: z.number().positive().max(3600).default(60).describe("time for one image, in one attempt"),
  retries: z.number().int().min(0).max(20).default(4).describe("further attempts after a fault that may pass"),
  retryDelaySeconds: z
    .number()
    .nonnegative()
    .max(60)
    .default(1)
    .describe("wait before the second attempt; doubles with each further one"),
  onUnreachable: z
    .enum(["stop", "reject"])
    .default("stop")
    .describe(
      "after all attempts: stop the import (the same command goes on with what was fetched), or reject the row, so that the dataset depends on the network's mood",
    ),
});

export const importOptionsSchema = z
  .strictObject({
    source: z
      .array(z.string().min(1))
      .min(1)
      .describe("files of dialogues, JSONL or one JSON array each, plain or compressed with gzip; read in this order"),
    format: z
      .enum(["auto", ...DIALOGUE_FORMS, "log"])
      .default("auto")
      .describe(
        "form of the rows; auto looks at each row. log: requests of production with their responses and exact ids, which become dialogues and generations at once",
      ),
    log: logSchema.prefault({}).describe("for format log: what the client and the server of production did"),
    imageRoots: z
      .array(z.string().min(1))
      .default([])
      .describe("directories that image paths may lead into, tried in order; without any, only data URIs are read"),
    remoteImages: remoteImagesSchema
      .prefault({})
      .describe("images at http and https addresses; without `allow`, none is fetched"),
    flattenColour: z
      .string()
      .regex(/^#[0-9a-fA-F]{6}$/)
      .default("#ffffff")
      .describe("colour behind transparent pixels, as #rrggbb"),
    resize: z
      .enum(["none", "fixed-point"])
      .default("none")
      .describe(
        "fixed-point: scale each image to the size that the target's processor would choose, so that nothing scales it later; frames of videos keep their size",
      ),
    model: z
      .string()
      .optional()
      .describe(
        "model directory whose processor settings `resize` follows, whose special tokens `specialText` means, and which renders the prompts of a log again",
      ),
    specialText: z
      .enum(["keep", "refuse", "escape"])
      .default("keep")
      .describe(
        "texts that spell out a special token of the model: keep them (later steps refuse them), refuse the row, or escape it with a zero-width space, so that server and trainer both read text",
      ),
    factor: z
      .number()
      .int()
      .positive()
      .optional()
      .describe("`resize` without a model: both sides become multiples of it"),
    minPixels: z.number().int().positive().optional().describe("`resize` without a model: least pixels of an image"),
    maxPixels: z.number().int().positive().optional().describe("`resize` without a model: most pixels of an image"),
    limits: z
      .strictObject({
        maxBytes: z
          .number()
          .int()
          .positive()
          .default(DEFAULT_LIMITS.maxBytes)
          .describe("bytes of an image file at most"),
        maxPixels: z.number().int().positive().default(DEFAULT_LIMITS.maxPixels).describe("width times height at most"),
        maxAspectRatio: z
          .number()
          .min(1)
          .default(DEFAULT_LIMITS.maxAspectRatio)
          .describe("longer side divided by the shorter one at most"),
        maxSeconds: z
          .number()
          .int()
          .min(1)
          .max(3600)
          .default(DEFAULT_LIMITS.maxSeconds)
          .describe("seconds of work on one image at most, so that none hangs; far above what honest ones need"),
        minVideoFrames: z
          .number()
          .int()
          .min(1)
          .default(DEFAULT_VIDEO_LIMITS.minVideoFrames)
          .describe("frames of a video at least; the processor joins two into one patch"),
        maxVideoFrames: z
          .number()
          .int()
          .min(1)
          .default(DEFAULT_VIDEO_LIMITS.maxVideoFrames)
          .describe("frames of a video at most"),
        maxVideoPixels: z
          .number()
          .int()
          .positive()
          .default(DEFAULT_VIDEO_LIMITS.maxVideoPixels)
          .describe("width times height of all frames of a video together at most; the trainer decodes them at once"),
        maxRowBytes: z
          .number()
          .int()
          .positive()
          .default(64 << 20)
          .describe("bytes of a row at most"),
      })
      .prefault({})
      .describe("what is refused without being worked on"),
    onDuplicateId: z
      .enum(["reject", "rename"])
      .default("reject")
      .describe("an id that an earlier row had: reject the row, or add #2, #3 ... to its id"),
    maxRejectedShare: z
      .number()
      .min(0)
      .max(1)
      .default(0.5)
      .describe("fail when more than this share of the rows is rejected; 1 never fails while one row is left"),
    concurrency: z.number().int().min(1).max(64).default(4).describe("images worked on at the same time"),
  })
  .superRefine((options, context) => {
    const given = (["factor", "minPixels", "maxPixels"] as const).filter((name) => options[name] !== undefined);
    const fail = (field: string, message: string) => context.addIssue({ code: "custom", path: [field], message });
    if (options.specialText !== "keep" && options.model === undefined)
      fail("specialText", `is ${options.specialText}, which needs \`model\``);
    if (options.format === "log") {
      if (options.model === undefined) fail("model", "is missing: a log's prompts are rendered again and compared");
      if (options.specialText !== "keep") fail("specialText", "has no effect on a log, whose ids are what was served");
    }
    if (options.resize === "none") {
      // The escaping of special tokens needs the model, too, and so does a log.
      const needsModel = options.specialText !== "keep" || options.format === "log";
      const unused = !needsModel && options.model !== undefined ? ["model", ...given] : given;
      if (unused.length > 0)
        fail(
          "resize",
          `is none, so ${unused.join(", ")} would have no effect: set resize to fixed-point, or leave ${unused.length === 1 ? "it" : "them"} out`,
        );
      return;
    }
    if (options.model === undefined && given.length < 3)
      fail("resize", "needs `model`, or all of factor, minPixels and maxPixels");
    if (options.model !== undefined && given.length > 0)
      fail("model", `already determines ${given.join(", ")}: give either the model or these`);
  });

export type ImportOptions = z.infer<typeof importOptionsSchema>;
