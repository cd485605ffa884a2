/** Rows whose screenshots look alike: what counts as alike, what stays, and that all is counted. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readRowsFile } from "../../../src/artifacts/index.js";
import { sha256 } from "../../../src/base/index.js";
import type { Dialogue } from "../../../src/dialogue/index.js";
import { differenceHash, HASH_BITS, hashDistance, imagePath } from "../../../src/images/index.js";
import type { InputArtifact } from "../../../src/stages/stage.js";
import { stage } from "../../../src/stages/tokenize/index.js";
import { NearDuplicates } from "../../../src/stages/tokenize/near-duplicates.js";
import { TINY_GUI } from "../../tokens/reference.js";
import { SYSTEM, text, Workbench } from "./workbench.js";

let bench: Workbench;
beforeEach(async () => {
  bench = await Workbench.open();
});
afterEach(() => bench.close());

/** A screen of boxes; `clock` changes a few pixels in a corner, as a clock does. */
function screen(boxes: [number, number, number, string][], clock = 0): Promise<Buffer> {
  const shapes = boxes.map(
    ([x, y, size, fill]) => `<rect x="${x}" y="${y}" width="${size}" height="${size}" fill="${fill}"/>`,
  );
  const time = `<rect x="312" y="2" width="${2 + (clock % 5)}" height="3" fill="#333"/>`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="320" height="192"><rect width="320" height="192" fill="#eee"/>${shapes.join("")}${time}</svg>`;
  return sharp(Buffer.from(svg)).flatten().png().toBuffer();
}
const HOME: [number, number, number, string][] = [
  [20, 20, 60, "#c33"],
  [120, 60, 90, "#36c"],
];
const FORM: [number, number, number, string][] = [
  [200, 90, 80, "#393"],
  [30, 110, 50, "#000"],
  [100, 10, 40, "#fc0"],
];

/** Dialogues of one turn; each with its pictures in the question. */
async function inputs(pictures: Buffer[][]): Promise<Record<"generations" | "dialogues", InputArtifact>> {
  const rows = pictures.map((own, number): Dialogue => {
    const images = own.map((png) => ({ type: "image" as const, hash: sha256(png), width: 320, height: 192 }));
    return {
      id: `d${number}`,
      source: { file: "x", line: 1 },
      messages: [
        { role: "system", content: [text(SYSTEM)] },
        { role: "user", content: [...images, text(`Question ${number}`)] },
        { role: "assistant", content: [text(`Answer ${number}, click it.`)] },
      ],
    };
  });
  const dialogues = await bench.sealed("dialogues", {}, async (directory) => {
    await writeFile(join(directory, "dialogues.jsonl"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    for (const png of pictures.flat()) {
      const file = join(directory, "images", imagePath(sha256(png)));
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, png);
    }
  });
  const generations = await Promise.all(rows.map((row) => bench.generation(row)));
  return { dialogues, generations: await bench.artifact("generations", generations, { chatTemplateKwargs: {} }) };
}

async function kept(artifact: InputArtifact): Promise<string[]> {
  const ids: string[] = [];
  for (const { path } of artifact.manifest.files) {
    if (path.endsWith(".arrow"))
      for await (const row of readRowsFile(join(artifact.path, path))) ids.push(row.dialogueId);
  }
  return ids;
}

const drop = (more: object = {}) => ({ model: TINY_GUI, nearDuplicates: { policy: "drop", ...more } });

describe("the difference hash", () => {
  it("is near for screens that differ in a clock, far for others", async () => {
    const [home, later, form] = await Promise.all([screen(HOME, 0), screen(HOME, 3), screen(FORM)]);
    expect(sha256(home)).not.toBe(sha256(later));
    const [a, b, c] = await Promise.all([home, later, form].map(differenceHash));
    expect(hashDistance(a!, b!)).toBeLessThanOrEqual(4);
    expect(hashDistance(a!, c!)).toBeGreaterThan(16);
    expect(hashDistance(a!, a!)).toBe(0);
    expect(hashDistance(new Uint32Array(8), new Uint32Array(8).fill(0xffff_ffff))).toBe(HASH_BITS);
  });
});

describe("near-duplicates", () => {
  it("stay unless told otherwise, and need the screenshots to be found", async () => {
    const given = await inputs([[await screen(HOME, 0)], [await screen(HOME, 3)]]);
    expect(await kept(await bench.run(stage, { model: TINY_GUI }, given))).toEqual(["d0", "d1"]);
    const { generations } = given;
    await expect(bench.run(stage, drop(), { generations })).rejects.toThrow(
      expect.objectContaining({ code: "INPUT_MISSING", location: { field: "dialogues" } }),
    );
  });

  it("leave the first in input order, and are counted under their reason", async () => {
    const [home, later, form] = await Promise.all([screen(HOME, 0), screen(HOME, 3), screen(FORM)]);
    const given = await inputs([[home], [form], [later], [home], [], []]);
    const artifact = await bench.run(stage, drop(), given);
    expect(await kept(artifact)).toEqual(["d0", "d1", "d4", "d5"]);
    expect(artifact.manifest.counts).toMatchObject({ read: 6, kept: 4, rejected: { "near-duplicate": 2 } });
    const lines = (await readFile(join(artifact.path, "rejected.jsonl"), "utf8")).trim().split("\n");
    expect(
      lines.map((line) => JSON.parse(line) as { id: string; reason: string }).map(({ id, reason }) => [id, reason]),
    ).toEqual([
      ["d2", "near-duplicate"],
      ["d3", "near-duplicate"],
    ]);
  });

  it("keep a row that shows one new screen, and so many rows of a screen as are wanted", async () => {
    const [home, later, form] = await Promise.all([screen(HOME, 0), screen(HOME, 3), screen(FORM)]);
    const mixed = await inputs([[home], [later, form], [home, form]]);
    expect(await kept(await bench.run(stage, drop(), mixed))).toEqual(["d0", "d1"]);
    // A row that shows a screen twice has shown it once.
    const often = await inputs([[home, later], [later], [home], [home]]);
    expect(await kept(await bench.run(stage, drop({ maxRows: 2 }), often))).toEqual(["d0", "d1"]);
  });

  it("look at the frames of videos too", async () => {
    const { imageHashes, videoFrames } = { imageHashes: [] as string[], videoFrames: [] as string[] };
    const [home, later, form] = await Promise.all([screen(HOME, 0), screen(HOME, 3), screen(FORM)]);
    const { dialogues } = await inputs([[home, later, form]]);
    const [a, b, c] = [home, later, form].map(sha256) as [string, string, string];
    const found = new NearDuplicates(dialogues.path, { distance: 4, maxRows: 1 });
    expect(await found.isRepeat({ imageHashes, videoFrames: [a, b] })).toBe(false);
    expect(await found.isRepeat({ imageHashes: [b], videoFrames })).toBe(true);
    expect(await found.isRepeat({ imageHashes: [a], videoFrames: [b, c] })).toBe(false);
    expect(await found.isRepeat({ imageHashes, videoFrames: [c, a] })).toBe(true);
  });

  it("of distance 0 are only those with the same hash", async () => {
    const [home, moved] = await Promise.all([
      screen(HOME),
      screen([
        [20, 20, 60, "#c33"],
        [138, 60, 90, "#36c"],
      ]),
    ]);
    const [a, b] = await Promise.all([home, moved].map(differenceHash));
    const between = hashDistance(a!, b!);
    expect(between).toBeGreaterThan(0);
    const given = await inputs([[home], [moved]]);
    expect(await kept(await bench.run(stage, drop({ distance: 0 }), given))).toEqual(["d0", "d1"]);
    expect(await kept(await bench.run(stage, drop({ distance: between - 1 }), given))).toEqual(["d0", "d1"]);
    expect(await kept(await bench.run(stage, drop({ distance: between }), given))).toEqual(["d0"]);
  });
});
