/** What `draftsmith inspect` prints and writes, on real shards, through the command line and as a function. */
import { lstat, mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { openImagesWriter, openRowsWriter, sealDirectory, type TokenRow } from "../../src/artifacts/index.js";
import { sha256 } from "../../src/base/index.js";
import { type InspectRequest, inspect } from "../../src/inspect/index.js";
import { openModel } from "../../src/model/index.js";
import { run } from "../e2e/cli.js";
import { makeReaderWorld, type ReaderWorld } from "../readers/world.js";
import { scratchDirectory } from "../scratch/scratch.js";
import { TINY_GUI } from "../tokens/reference.js";

let world: ReaderWorld;
beforeAll(async () => {
  world = await makeReaderWorld();
});

async function lines(request: Partial<InspectRequest> & { path: string }): Promise<string[]> {
  const said: string[] = [];
  for await (const line of inspect({ limit: 20, ...request })) said.push(line);
  return said;
}

const rowWithImages = (): TokenRow => world.rows.train.find(({ imageHashes }) => imageHashes.length > 1)!;

describe("inspect", () => {
  it("lists the first rows of every split, by file", async () => {
    const listed = await lines({ path: world.directory, limit: 7 });
    expect(listed[0]).toBe(join(world.directory, "rows/train-00000-of-00003.arrow"));
    expect(listed.slice(1, 8)).toEqual(
      world.rows.train
        .slice(0, 7)
        .map((row) => expect.stringContaining(`${row.dialogueId}/0  ${row.inputIds.length} tokens  6 supervised`)),
    );
    expect(listed.at(-1)).toBe("... only the first 7 rows are listed");
    const all = await lines({ path: world.directory, limit: 1000 });
    expect(all.filter((line) => line.startsWith("  dialogue-"))).toHaveLength(40);
    expect(all).toContain(join(world.directory, "rows/validation-00000-of-00001.arrow"));
  });

  it("prints a row with its tokens, masks, types, answers and images", async () => {
    const row = rowWithImages();
    const said = await lines({ path: world.directory, row: row.dialogueId });
    const tokens = row.inputIds.length;
    expect(said).toContain(`answers  turn 0 at ${tokens - 6} to ${tokens - 3}; turn 1 at ${tokens - 3} to ${tokens}`);
    expect(said).toContain(`image 1  ${row.imageHashes[0]}  grid 1 x 2 x 4`);
    expect(said).toContain(`image 2  ${row.imageHashes[1]}  grid 1 x 3 x 4`);
    const cells = said
      .slice(said.findIndex((line) => /index +count/.test(line)) + 1)
      .map((line) => line.trim().split(/ +/));
    expect(cells).toEqual(
      Array.from(row.inputIds, (id, k) => [`${k}`, `${id}`, k >= tokens - 6 ? "1" : "0", k < 2 ? "image" : "text"]),
    );
    expect(await lines({ path: world.directory, row: `${row.dialogueId}/0` })).toEqual(said);
  });

  it("prints rows as JSON", async () => {
    const row = rowWithImages();
    const [line, ...more] = await lines({ path: world.directory, row: row.dialogueId, json: true });
    expect(more).toEqual([]);
    const read = JSON.parse(line!) as { runs: { id: number; count: number }[] };
    expect(read).toMatchObject({
      dialogueId: row.dialogueId,
      imageHashes: row.imageHashes,
      supervised: 6,
      tags: { app: "mail" },
    });
    expect(read.runs.flatMap(({ id, count }) => Array<number>(count).fill(id))).toEqual([...row.inputIds]);
  });

  it("writes the images of a row in their order, and nothing outside the directory", async () => {
    const row = rowWithImages();
    const out = scratchDirectory("inspected");
    const outside = join(scratchDirectory("outside"), "victim");
    await writeFile(outside, "kept");
    const names = [...row.imageHashes, ...row.videoFrames].map((hash, k) => `0${k + 1}-${hash.slice(0, 16)}.png`);
    // Somebody prepared a link where the first image will lie.
    await mkdir(join(out, "row-0"));
    await symlink(outside, join(out, "row-0", names[0]!));
    const { code, stdout } = await run(["inspect", world.directory, "--row", row.dialogueId, "--image", "--out", out]);
    expect(code).toBe(0);
    expect((await readdir(join(out, "row-0"))).sort()).toEqual(names);
    for (const [k, hash] of row.imageHashes.entries()) {
      const path = join(out, "row-0", names[k]!);
      expect(sha256(await readFile(path))).toBe(hash);
      expect((await lstat(path)).isSymbolicLink()).toBe(false);
      expect(stdout).toContain(`wrote ${path}`);
    }
    expect(await readFile(outside, "utf8")).toBe("kept");
  });

  it("refuses a hash that would name a path", async () => {
    const directory = join(scratchDirectory("hostile"), "shards");
    await mkdir(join(directory, "rows"), { recursive: true });
    await mkdir(join(directory, "images"));
    const hash = "../../../escape";
    const rows = await openRowsWriter(join(directory, "rows", "train-00000-of-00001.arrow"), { schemaVersion: 1 });
    await rows.append({ ...rowWithImages(), imageHashes: [hash, hash], dialogueId: "evil\u001b[31m" });
    await rows.close();
    const images = await openImagesWriter(join(directory, "images", "images-00000-of-00001.arrow"), {});
    await images.append({ hash, png: Buffer.from("x"), width: 1, height: 1 });
    await images.close();
    const producer = { stage: "test", version: "0", options: {} };
    await sealDirectory({ directory, kind: "shards", producer, inputs: {}, draft: { counts: {}, facts: {} } });
    const out = scratchDirectory("none");
    await expect(lines({ path: directory, row: "evil\u001b[31m", images: out })).rejects.toMatchObject({
      code: "ARTIFACT_INVALID",
      message: expect.stringContaining("is not named by a sha256"),
    });
    expect(await readdir(out)).toEqual([]);
    // Control characters of users do not reach the terminal.
    expect((await lines({ path: directory })).join("\n")).toContain("evil\\u001b[31m/0");
  });

  it("shows the text of tokens with the model directory, and refuses another tokenizer's", async () => {
    const { fingerprints } = await openModel(TINY_GUI);
    const file = join(scratchDirectory("spelled"), "rows.arrow");
    const write = async (tokenizer: string) => {
      const writer = await openRowsWriter(file, { model: { tokenizer } });
      await writer.append({ ...rowWithImages(), inputIds: rowWithImages().inputIds.map(() => 66) });
      await writer.close();
    };
    await write(fingerprints.tokenizer);
    const said = await lines({ path: file, row: rowWithImages().dialogueId, model: TINY_GUI });
    expect(said.at(-1)).toMatch(/ 66 +1 +text +"."$/);
    await write("0".repeat(64));
    await expect(lines({ path: file, row: rowWithImages().dialogueId, model: TINY_GUI })).rejects.toMatchObject({
      code: "MODEL_INVALID",
    });
  });

  it("names what is not there, or damaged", async () => {
    await expect(lines({ path: join(world.directory, "none") })).rejects.toMatchObject({ code: "INPUT_MISSING" });
    await expect(lines({ path: world.directory, row: "nobody" })).rejects.toMatchObject({ code: "INPUT_MISSING" });
    await expect(lines({ path: scratchDirectory("empty") })).rejects.toMatchObject({ code: "INPUT_INVALID" });
    await expect(lines({ path: world.directory, images: "x" })).rejects.toMatchObject({ code: "USAGE" });
    const other = await makeReaderWorld();
    const file = join(other.directory, "rows", "train-00001-of-00003.arrow");
    const bytes = await readFile(file);
    bytes[Math.floor(bytes.length / 2)]! ^= 1;
    await writeFile(file, bytes);
    for (const path of [other.directory, file, join(other.directory, "rows", "train-00000-of-00003.arrow")]) {
      await expect(lines({ path })).rejects.toMatchObject({
        code: "ARTIFACT_INVALID",
        message: expect.stringContaining("rows/train-00001-of-00003.arrow is not what the manifest says"),
      });
    }
  });

  it("finds the shards of a run, and the model directory by the rows beside them", async () => {
    const workspace = scratchDirectory("run");
    const rowsAt = join(workspace, "steps", "tokenize");
    const shardsAt = join(workspace, "steps", "shard");
    for (const directory of [rowsAt, join(shardsAt, "rows")]) await mkdir(directory, { recursive: true });
    const { fingerprints } = await openModel(TINY_GUI);
    for (const path of [join(rowsAt, "rows-00000.arrow"), join(shardsAt, "rows", "train-00000-of-00001.arrow")]) {
      const writer = await openRowsWriter(path, { model: { ...fingerprints } });
      await writer.append({ ...rowWithImages(), inputIds: rowWithImages().inputIds.map(() => 66) });
      await writer.close();
    }
    const draft = { counts: {}, facts: {} };
    const producer = { stage: "tokenize", version: "0", options: { model: TINY_GUI } };
    const rows = await sealDirectory({ directory: rowsAt, kind: "rows", producer, inputs: {}, draft });
    await sealDirectory({
      directory: shardsAt,
      kind: "shards",
      producer: { ...producer, stage: "shard", options: {} },
      inputs: { rows: { kind: "rows", digest: rows.digest } },
      draft,
    });
    const said = await lines({ path: workspace, row: rowWithImages().dialogueId });
    expect(said[0]).toBe(`${join(shardsAt, "rows", "train-00000-of-00001.arrow")}, row 0`);
    expect(said.at(-1)).toMatch(/text +"."$/);
  });
});
