/**
 * Shards from before rows and images had folders of their own: `old_shards` was written by the version of 28 November 2026
 * and is never made again. Every command reads them; the trainer's reader is tested in test/trainer/data.
 */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openArtifact } from "../../../src/artifacts/index.js";
import { sha256 } from "../../../src/base/index.js";
import { inspect } from "../../../src/inspect/index.js";
import { readPictures, selectPrompts } from "../../../src/stages/evaluate/served-prompts.js";
import { stage as validate } from "../../../src/stages/validate/index.js";
import { scratchDirectory } from "../../scratch/scratch.js";
import { TINY_GUI } from "../../tokens/reference.js";
import { SYSTEM, Workbench } from "../tokenize/workbench.js";
import { readImages, readSplit } from "./world.js";

const OLD = join(import.meta.dirname, "old_shards");

describe("shards in the older layout", () => {
  it("hold the same rows and images for every reader", async () => {
    const [train, heldout] = [await readSplit(OLD, "train"), await readSplit(OLD, "heldout")];
    expect([...train, ...heldout].map(({ dialogueId }) => dialogueId).sort()).toEqual(["d1", "d2", "d3", "d4", "d5"]);
    expect(heldout).toHaveLength(2);
    const images = await readImages(OLD);
    expect(images).toHaveLength(9);
    for (const { hash, png, width, height } of images) {
      expect([sha256(png), width, height]).toEqual([hash, 320, 192]);
    }
    const named = new Set([...train, ...heldout].flatMap(({ imageHashes }) => imageHashes));
    expect(new Set(images.map(({ hash }) => hash))).toEqual(named);
  });

  it("pass validate, rows, split and images", async () => {
    const bench = await Workbench.open();
    const shards = await openArtifact(OLD, "shards", { verify: true });
    const options = { model: TINY_GUI, systemPrompt: { policy: "set", text: SYSTEM } };
    const { manifest } = await bench.run(validate, options, { shards });
    expect(manifest.counts).toMatchObject({ shardRows: 5, errors: 0 });
    await bench.close();
  });

  it("give evaluate its prompts with their pictures", async () => {
    const { prompts } = await selectPrompts({ shards: OLD, split: "heldout", imagePadId: 1986, limit: null });
    expect(prompts.length).toBeGreaterThan(1);
    const pictures = await readPictures(OLD, prompts);
    for (const { imageHashes } of prompts) for (const hash of imageHashes) expect(pictures.has(hash)).toBe(true);
  });

  it("are inspected, with their images", async () => {
    const out = scratchDirectory("old");
    const said: string[] = [];
    for await (const line of inspect({ path: OLD, row: "d1", limit: 9, images: out, model: TINY_GUI })) said.push(line);
    expect(said[0]).toMatch(/(train|heldout)-0000\d-of-0000\d\.arrow, row \d$/);
    expect(said.filter((line) => line.startsWith("wrote "))).toHaveLength(3);
    expect(said.join("\n")).toContain('"<|im_start|>"');
  });
});
