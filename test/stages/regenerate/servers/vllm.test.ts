/** The second dialect: its fields, its errors, and pictures that it must have no reason to change. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import type { JsonObject } from "../../../../src/base/index.js";
import type { RejectedRow } from "../../../../src/dialogue/index.js";
import { closingStubs } from "../../../sglang-client/closing-stubs.js";
import { imageUrls } from "../../../sglang-client/stub-model.js";
import { type Fault, PROBE_REQUESTS } from "../../../sglang-client/stub-server.js";
import { makeWorld, row, runStage as runImport, writeRows } from "../../import/world.js";
import { dialogues, lines, manifestOf, runStage, temporaryDirectory, writeArtifact } from "../harness.js";

const { stubOf } = closingStubs();
const allowSettings = ["unknown-settings"];

describe("vLLM", () => {
  it("gives the same rows as SGLang, once its unknown settings are allowed", async () => {
    const input = await writeArtifact(await temporaryDirectory(), dialogues(12));
    const vllm = await stubOf({ dialect: "vllm" });
    const sglang = await stubOf();
    await expect(runStage({ input, options: { servers: [vllm.url] } })).rejects.toThrow("unknown-settings");
    const allowed = { servers: [vllm.url], allowSettings: ["unknown-settings"] };
    const there = await runStage({ input, options: allowed });
    const here = await runStage({ input, options: { servers: [sglang.url] } });
    expect(there.generations).toBe(here.generations);
    expect(there.draft.facts.engine).toBe("vllm");
    const mixed = { servers: [sglang.url, vllm.url], allowSettings: ["unknown-settings"] };
    await expect(runStage({ input, options: mixed })).rejects.toThrow(/engine is "vllm", not "sglang"/);
  });

  it.each<[Fault, string, string]>([
    ["bad-request", "bad-request", "HTTP 400 (BadRequestError): Conversation roles must alternate"],
    ["too-long", "prompt-too-long", "HTTP 400 (BadRequestError): The input (12012 tokens) is longer than"],
    ["bad-image", "bad-media", "HTTP 400 (BadRequestError): Could not decode image"],
  ])("says %s in either form of its errors", async (fault, reason, words) => {
    for (const errorForm of ["flat", "nested"] as const) {
      const stub = await stubOf({
        dialect: "vllm",
        errorForm,
        fault: (_n, body) => (JSON.stringify(body.messages).includes("Dialogue 0") ? fault : undefined),
      });
      const input = await writeArtifact(await temporaryDirectory(), dialogues(2));
      const { rejected, rows } = await runStage({ input, options: { servers: [stub.url], allowSettings } });
      const [refused] = lines(rejected) as RejectedRow[];
      expect(refused).toMatchObject({ id: "d0", status: "rejected", reason });
      expect(refused!.message).toContain(words);
      expect(rows).toHaveLength(1);
    }
  });
});

describe("pictures", () => {
  /** Left half red and opaque, right half green and half transparent; upright only once the orientation is applied. */
  const halves = () => {
    const [width, height] = [64, 96];
    const pixels = Buffer.alloc(width * height * 4);
    for (let at = 0; at < width * height; at += 1) {
      const isLeft = at % width < width / 2;
      pixels.set(isLeft ? [255, 0, 0, 255] : [0, 255, 0, 128], at * 4);
    }
    return sharp(pixels, { raw: { width, height, channels: 4 } });
  };

  it("with EXIF and alpha arrive upright, opaque and without either, since vLLM would apply and blend them itself", async () => {
    const world = await makeWorld();
    const files = {
      "turned.png": await halves().withMetadata({ orientation: 6 }).png().toBuffer(),
      "plain.png": await halves().png().toBuffer(),
      "turned.jpg": await halves().flatten({ background: "white" }).withMetadata({ orientation: 3 }).jpeg().toBuffer(),
    };
    for (const [name, bytes] of Object.entries(files)) await writeFile(join(world.images, name), bytes);
    // The test is worth nothing where the pictures are not what they should be.
    expect(await sharp(files["turned.png"]).metadata()).toMatchObject({ orientation: 6, hasAlpha: true });
    expect(await sharp(files["turned.jpg"]).metadata()).toMatchObject({ orientation: 3 });
    await writeRows(
      world,
      Object.keys(files).map((name) => row(name, name)),
    );
    const imported = await runImport(world, {});
    expect(imported.rejected).toEqual([]);
    const stub = await stubOf({ dialect: "vllm" });
    const input = { path: imported.workDir, manifest: manifestOf(3) };
    const { draft } = await runStage({ input, options: { servers: [stub.url], allowSettings } });
    expect(draft.counts).toMatchObject({ done: 3 });
    const sent = stub.requests.slice(PROBE_REQUESTS).map(({ messages }) => {
      const [url] = imageUrls(messages as JsonObject[]);
      const [, base64] = /^data:image\/png;base64,(.+)$/.exec(url!)!;
      return Buffer.from(base64!, "base64");
    });
    const looks = await Promise.all(
      sent.map(async (png) => {
        const { exif, orientation, hasAlpha, width, height } = await sharp(png).metadata();
        const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
        expect({ exif, orientation, hasAlpha, channels: info.channels }).toEqual({ hasAlpha: false, channels: 3 });
        const at = (x: number, y: number): number[] => [...data.subarray((y * info.width + x) * 3).subarray(0, 3)];
        return { width, height, first: at(4, 4), last: at(width - 5, height - 5) };
      }),
    );
    const red = [255, 0, 0];
    // Half of green on white.
    const pale = [127, 255, 127];
    expect(looks).toHaveLength(3);
    const wanted = [
      // A quarter turn to the right: what was on the left is above.
      { width: 96, height: 64, first: red, last: pale },
      { width: 64, height: 96, first: red, last: pale },
      // Half a turn.
      { width: 64, height: 96, first: pale, last: red },
    ];
    for (const { width, height, first, last } of wanted) {
      const isNear = (a: number[], b: number[]): boolean => a.every((value, k) => Math.abs(value - b[k]!) <= 3);
      const alike = looks.filter((look) => look.width === width && look.height === height);
      expect(alike.filter((look) => isNear(look.first, first) && isNear(look.last, last))).toHaveLength(1);
    }
  });
});
