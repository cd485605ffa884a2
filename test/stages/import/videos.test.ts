/** Videos as lists of frames: each frame a picture like others, all of one size, within bounds. */
import { copyFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { dialogueSchema } from "../../../src/dialogue/index.js";
import { makeWorld, picture, row, runStage, type World, writeRows } from "./world.js";

let world: World;
beforeEach(async () => {
  world = await makeWorld();
  for (const frame of [0, 1, 2, 3]) await picture(join(world.images, `${frame}.png`), frame);
  await picture(join(world.images, "wide.png"), 9, 80, 48);
});
afterEach(() => rm(world.top, { recursive: true, force: true }));

const video = (id: string, frames: string | string[], fields: object = { fps: 2 }) => ({
  id,
  messages: [
    {
      role: "user",
      content: [
        { type: "text", text: "what happens?" },
        { type: "video", frames, ...fields },
      ],
    },
    { role: "assistant", content: "a lot" },
  ],
});

it("are kept with sizes, times and hashes, and frames that images share are stored once", async () => {
  await copyFile(join(world.images, "0.png"), join(world.images, "again.png"));
  await writeRows(world, [
    video("v", ["0.png", "1.png", "again.png"], { timestamps: [0, 0.4, 1.5] }),
    row("i", "1.png"),
  ]);
  const run = await runStage(world, {});
  expect(run.rejected).toEqual([]);
  expect(run.counts).toMatchObject({ kept: 2, images: 2, imageReferences: 4, videos: 1 });
  const [own, other] = run.dialogues;
  expect(dialogueSchema.parse(own)).toEqual(own);
  const image = other!.messages[0]!.content[0] as { hash: string };
  const part = own!.messages[0]!.content[1]!;
  expect(part).toMatchObject({ type: "video", fps: 1, indices: [0, 0.4, 1.5] });
  if (part.type !== "video") throw new Error("no video");
  expect(part.frames).toHaveLength(3);
  expect(part.frames[1]).toEqual({ hash: image.hash, width: 64, height: 48 });
  expect(part.frames[2]).toEqual(part.frames[0]);
  for (const { hash } of part.frames) expect(run.files).toHaveProperty([`images/${hash.slice(0, 2)}/${hash}.png`]);
});

it("with unlike frames, too few, too many, too large or broken ones are set aside with their reasons", async () => {
  await writeRows(world, [
    video("sizes", ["0.png", "wide.png"]),
    video("few", ["0.png"]),
    video("many", ["0.png", "1.png", "2.png", "3.png", "0.png"]),
    video("large", ["0.png", "1.png", "2.png", "3.png"]),
    video("missing", ["0.png", "none.png"]),
    video("encoded", "clip.mp4"),
    video("good", ["0.png", "1.png"]),
  ]);
  const limits = { maxVideoFrames: 4, maxVideoPixels: 3 * 64 * 48 };
  const run = await runStage(world, { limits, maxRejectedShare: 1 });
  expect(run.rejected.map(({ id, reason, message }) => [id, reason, message])).toEqual([
    ["sizes", "video-frame-sizes", "message 0: frame 1 is 80x48, the first one 64x48"],
    ["few", "video-too-few-frames", "message 0: a video of 1 frames; at least 2 are needed"],
    ["many", "video-too-many-frames", "message 0: a video of 5 frames; at most 4 are taken"],
    ["large", "video-too-many-pixels", "message 0: 4 frames of 64x48: more than 9216 pixels"],
    ["missing", "image-missing", 'message 0: frame 1: "none.png" is in none of the image roots'],
    ["encoded", "video-encoded", expect.stringContaining("extract its frames first")],
  ]);
  expect(run.dialogues.map(({ id }) => id)).toEqual(["good"]);
  // Frames of rejected rows are not part of the artifact.
  expect(run.counts).toMatchObject({ images: 2, videos: 1 });
});

it("keep the size of their frames where images are scaled, also after an interruption", async () => {
  await writeRows(world, [video("v", ["0.png", "1.png"]), row("i", "0.png")]);
  const options = { resize: "fixed-point", factor: 32, minPixels: 1024, maxPixels: 2048 };
  const resumeDir = join(world.top, "resume");
  const first = await runStage(world, options, { resumeDir });
  const again = await runStage(world, options, { resumeDir });
  for (const run of [first, again]) {
    const part = run.dialogues[0]!.messages[0]!.content[1]!;
    expect(part).toMatchObject({
      frames: [
        { width: 64, height: 48 },
        { width: 64, height: 48 },
      ],
    });
    expect(run.dialogues[1]!.messages[0]!.content[0]).toMatchObject({ width: 32, height: 32 });
  }
  expect(again.files).toEqual(first.files);
});
