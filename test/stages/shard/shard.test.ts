import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listFiles, openRowsFile } from "../../../src/artifacts/index.js";
import { sha256 } from "../../../src/base/index.js";
import { imagePath } from "../../../src/images/index.js";
import { hashesOf, METADATA, makeWorld, nameOf, readImages, readSplit, runStage, type World } from "./world.js";

let world: World;
beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => rm(world.top, { recursive: true, force: true }));

describe("shards", () => {
  it("hold every row once with its content, and every image once, sorted by hash", async () => {
    const { workDir, counts, facts } = await runStage(world, { rowsPerShard: 25, imagesPerShard: 15 });
    const [train, heldout] = [await readSplit(workDir, "train"), await readSplit(workDir, "heldout")];
    const all = [...train, ...heldout];
    expect(counts).toMatchObject({
      read: 120,
      kept: 120,
      rejected: {},
      train: train.length,
      heldout: heldout.length,
      images: 40,
    });
    expect(new Set(all.map(nameOf)).size).toBe(120);
    expect(heldout.length).toBeGreaterThan(8);
    expect(heldout.length).toBeLessThanOrEqual(12);
    for (const row of all) {
      const d = Number(row.dialogueId.split(" ")[1]);
      expect([...new Set(row.inputIds)]).toEqual([1000 * d + row.row]);
      expect(row.inputIds).toHaveLength(30 + row.row);
      expect(row.tags).toEqual(d % 2 === 0 ? { app: "mail" } : {});
      expect(row.imageHashes).toHaveLength(row.row === 1 ? 0 : 1);
    }
    const seen = new Set(train.flatMap((row) => [row.dialogueId, ...row.imageHashes]));
    for (const row of heldout)
      for (const thing of [row.dialogueId, ...row.imageHashes]) expect(seen.has(thing)).toBe(false);

    const images = await readImages(workDir);
    expect(images.map((image) => image.hash)).toEqual([...new Set(all.flatMap((row) => row.imageHashes))].sort());
    for (const image of images) {
      expect(sha256(image.png)).toBe(image.hash);
      expect(image).toMatchObject({ width: 100 + image.png[23 + 1]!, height: 50 });
    }
    const trainFiles = Math.ceil(train.length / 25);
    const numbered = (start: string, count: number) =>
      Array.from({ length: count }, (_, k) => `${start}-0000${k}-of-0000${count}.arrow`);
    expect(await listFiles(workDir)).toEqual([
      "README.md",
      "draftsmith.json",
      ...numbered("images/images", 3),
      ...numbered("rows/train", trainFiles),
      ...numbered("rows/validation", 1),
    ]);
    expect(facts).toMatchObject({
      rows: METADATA,
      split: { seed: 1, heldoutShare: 0.1, by: ["dialogue", "screenshot"] },
    });
    const file = await openRowsFile(join(workDir, "rows/validation-00000-of-00001.arrow"));
    expect(file.metadata).toEqual(METADATA);
    await file.close();
  });

  it("are the same bytes again, also when the input lies in other files", async () => {
    const first = await runStage(world, {});
    const again = await runStage(world, {});
    const other = await makeWorld({ rowsPerFile: 7 });
    const elsewhere = await runStage(other, {});
    expect(await hashesOf(again.workDir)).toEqual(await hashesOf(first.workDir));
    expect(await hashesOf(elsewhere.workDir)).toEqual(await hashesOf(first.workDir));
    await rm(other.top, { recursive: true });
  });

  it("of a smaller set are part of the larger one, with the same held-out rows", async () => {
    const whole = await runStage(world, {});
    const part = await runStage(world, { maxRows: 20 });
    const names = async (run: { workDir: string }, split: "train" | "heldout") =>
      (await readSplit(run.workDir, split)).map(nameOf);
    expect(await names(part, "train")).toEqual((await names(whole, "train")).slice(0, 20));
    expect(await names(part, "heldout")).toEqual(await names(whole, "heldout"));
    const left = (whole.counts.train as number) - 20;
    expect(part.counts).toMatchObject({ read: 120, kept: 120 - left, rejected: { "beyond-max-rows": left } });
    const used = new Set(
      [...(await readSplit(part.workDir, "train")), ...(await readSplit(part.workDir, "heldout"))].flatMap(
        (row) => row.imageHashes,
      ),
    );
    expect((await readImages(part.workDir)).map((image) => image.hash)).toEqual([...used].sort());
  });

  it("exist for each split, even without rows", async () => {
    const { workDir } = await runStage(world, { heldoutShare: 0 });
    expect(await listFiles(workDir)).toContain("rows/validation-00000-of-00001.arrow");
    expect(await readSplit(workDir, "heldout")).toEqual([]);
  });

  it("keep to the limit", async () => {
    expect((await runStage(world, {}, { limit: 30 })).counts).toMatchObject({ read: 30, kept: 30 });
  });
});

describe("what is wrong with the input is named", () => {
  it("no rows", async () => {
    const empty = { ...world, rows: { ...world.rows, manifest: { ...world.rows.manifest, files: [] } } };
    await expect(runStage(empty, {})).rejects.toMatchObject({ code: "DATA_EMPTY" });
  });

  it("an image that is missing or damaged", async () => {
    const broken = await makeWorld({ dialogues: 6, images: 6 });
    const { workDir } = await runStage(broken, {});
    const { hash } = (await readImages(workDir))[2]!;
    const file = join(broken.dialogues.path, "images", imagePath(hash));
    await writeFile(file, "damaged");
    await expect(runStage(broken, {})).rejects.toMatchObject({ code: "ARTIFACT_INVALID", location: { file } });
    await rm(file);
    await expect(runStage(broken, {})).rejects.toThrow(`${hash} is missing`);
    await rm(broken.top, { recursive: true });
  });

  it("an interruption", async () => {
    await expect(runStage(world, {}, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "INTERRUPTED" });
  });
});

describe("unfinished work", () => {
  it("is taken over when input and options are the same, and made again when not", async () => {
    const resumeDir = await mkdtemp(join(world.top, "kept-"));
    const first = await runStage(world, { rowsPerShard: 25 }, { resumeDir });
    const kept = await listFiles(join(resumeDir, "shards"));
    await rm(join(resumeDir, "shards", kept.at(-1)!));
    const second = await runStage(world, { rowsPerShard: 25 }, { resumeDir });
    expect(await hashesOf(second.workDir)).toEqual(await hashesOf(first.workDir));
    expect(second.events).toContainEqual(
      expect.objectContaining({
        type: "log",
        message: `${kept.length - 1} of ${kept.length} shards were finished before the interruption`,
      }),
    );
    const other = await runStage(world, { rowsPerShard: 25, seed: 2 }, { resumeDir });
    expect(other.events.some((event) => event.type === "log")).toBe(false);
  });
});
