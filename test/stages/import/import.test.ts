import { mkdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { dialogueSchema } from "../../../src/dialogue/index.js";
import { imagePath, readStoredImage } from "../../../src/images/index.js";
import { importOptionsSchema } from "../../../src/stages/import/options.js";
import { sourceNames } from "../../../src/stages/import/source-rows.js";
import { makeWorld, picture, row, runStage, type World, writeRows } from "./world.js";

let world: World;
beforeAll(async () => {
  world = await makeWorld();
  for (let k = 0; k < 6; k += 1) await picture(join(world.images, `${k}.png`), k);
});
afterAll(() => rm(world.top, { recursive: true, force: true }));

describe("a good import", () => {
  beforeEach(() =>
    writeRows(world, [row("a", "0.png"), row("b", "1.png"), row("c", "0.png", "again"), row("d", "2.png")]),
  );

  it("writes valid dialogues in order, and each picture once", async () => {
    const run = await runStage(world, {});
    expect(run.dialogues.map((dialogue) => dialogue.id)).toEqual(["a", "b", "c", "d"]);
    for (const dialogue of run.dialogues) expect(dialogueSchema.parse(dialogue)).toEqual(dialogue);
    expect(run.dialogues[1]!.source).toEqual({ file: "rows.jsonl", line: 2 });
    expect(run.counts).toMatchObject({
      read: 4,
      kept: 4,
      rejected: {},
      forms: { openai: 4 },
      images: 3,
      imageReferences: 4,
    });
    const parts = run.dialogues
      .flatMap((dialogue) => dialogue.messages[0]!.content)
      .filter((part) => part.type === "image");
    expect(parts[0]!.hash).toBe(parts[2]!.hash);
    expect(Object.keys(run.files).filter((path) => path.startsWith("images/"))).toHaveLength(3);
    for (const part of parts) {
      expect(run.files[`images/${imagePath(part.hash)}`]).toBe(part.hash);
      const { width, height } = await sharp(await readStoredImage(join(run.workDir, "images"), part.hash)).metadata();
      expect(part).toMatchObject({ width, height });
    }
  });

  it("gives the same bytes with any concurrency", async () => {
    const runs = [await runStage(world, { concurrency: 1 }), await runStage(world, { concurrency: 8 })];
    expect(runs[1]!.files).toEqual(runs[0]!.files);
    expect(runs[1]!.counts).toEqual(runs[0]!.counts);
  });

  it("stops at the limit", async () => {
    expect((await runStage(world, {}, { limit: 2 })).counts).toMatchObject({ read: 2, kept: 2, images: 2 });
  });

  it("reports progress with a closing total", async () => {
    const progress = (await runStage(world, {})).events.filter((event) => event.type === "step-progress");
    expect(progress.at(-1)).toMatchObject({ step: "import", done: 4, unit: "dialogues", rejected: {} });
  });

  it("reads one JSON array and several files too", async () => {
    const array = join(world.top, "array.json");
    await writeFile(
      array,
      `\n[${JSON.stringify(row("x", "3.png"), null, 2)},\n${JSON.stringify(row('y, ] {"', "4.png"))}\n]`,
    );
    const run = await runStage(world, { source: [world.source, array] });
    expect(run.dialogues.map((dialogue) => dialogue.id)).toEqual(["a", "b", "c", "d", "x", 'y, ] {"']);
    expect(run.dialogues[4]!.source).toEqual({ file: "array.json", line: 2 });
  });

  it("scales to the processor's fixed point when asked", async () => {
    const run = await runStage(world, { resize: "fixed-point", factor: 32, minPixels: 1024, maxPixels: 2048 });
    expect(run.dialogues[0]!.messages[0]!.content[0]).toMatchObject({ width: 32, height: 32 });
    expect(run.facts).toMatchObject({ images: { resize: { factor: 32, minPixels: 1024, maxPixels: 2048 } } });
  });
});

describe("bad rows", () => {
  it("are each set aside with reason and place; the rest is kept", async () => {
    const whole = await readFile(join(world.images, "0.png"));
    await writeFile(join(world.images, "cut.png"), whole.subarray(0, whole.length / 2));
    await writeFile(join(world.images, "drawing.png"), "<svg xmlns='http://www.w3.org/2000/svg'/>");
    await writeFile(join(world.top, "outside.png"), whole);
    await symlink(join(world.top, "outside.png"), join(world.images, "link.png"));
    const cases: [string, unknown][] = [
      ["kept", row("ok", "0.png")],
      ["json-invalid", "{oops"],
      ["line-too-long", JSON.stringify("x".repeat(10_000))],
      ["row-not-object", "[1]"],
      ["starts-with-assistant", { id: "sa", messages: [{ role: "assistant", content: "hi" }] }],
      ["image-missing", row("im", "none.png")],
      ["image-corrupt", row("ic", "cut.png")],
      ["image-format-refused", row("if", "drawing.png")],
      ["image-outside-root", row("io", "../outside.png")],
      ["image-outside-root", row("il", "link.png")],
      ["image-remote-refused", row("ir", "http://127.0.0.1:9/a.png")],
      ["id-duplicate", row("ok", "1.png")],
      ["kept", row("uri", `data:image/png;base64,${whole.toString("base64")}`)],
    ];
    await writeRows(
      world,
      cases.map(([, value]) => value),
    );
    const run = await runStage(world, { limits: { maxRowBytes: 5000 }, maxRejectedShare: 1 });
    const expected = cases.flatMap(([reason], at) => (reason === "kept" ? [] : [{ reason, line: at + 1 }]));
    expect(run.rejected.map(({ reason, source }) => ({ reason, line: (source as { line: number }).line }))).toEqual(
      expected,
    );
    expect(run.dialogues.map((dialogue) => dialogue.id)).toEqual(["ok", "uri"]);
    expect(run.counts).toMatchObject({
      read: 13,
      kept: 2,
      rejected: { "image-outside-root": 2, "json-invalid": 1 },
      images: 1,
    });
    expect(run.rejected.find(({ id }) => id === "ic")!.message).toBe(
      "message 0: a PNG file that is cut short or damaged",
    );
    // Pictures of rejected rows are not part of the artifact.
    expect(Object.keys(run.files).filter((path) => path.startsWith("images/"))).toHaveLength(1);
  });

  it("may rename repeated ids instead, and number rows without one", async () => {
    await writeRows(world, [
      row("a", "0.png"),
      row("a", "1.png"),
      row("a#2", "1.png"),
      { messages: row("", "2.png").messages },
    ]);
    const run = await runStage(world, { onDuplicateId: "rename" });
    expect(run.dialogues.map((dialogue) => dialogue.id)).toEqual(["a", "a#2", "a#2#2", "rows.jsonl:4"]);
  });

  it("fail the stage when there are too many, showing which", async () => {
    await writeRows(world, [row("a", "0.png"), row("b", "none.png"), row("c", "none.png")]);
    await expect(runStage(world, { maxRejectedShare: 0.6 })).rejects.toMatchObject({
      code: "TOO_MANY_FAILURES",
      frame: expect.stringContaining("image-missing: 2 (first at rows.jsonl:2"),
    });
    expect((await runStage(world, { maxRejectedShare: 0.7 })).counts).toMatchObject({ kept: 1 });
  });

  it("that are all there is make DATA_EMPTY, like an empty file", async () => {
    await writeRows(world, [row("b", "none.png")]);
    await expect(runStage(world, { maxRejectedShare: 1 })).rejects.toMatchObject({ code: "DATA_EMPTY", exitCode: 16 });
    await writeRows(world, []);
    await expect(runStage(world, {})).rejects.toMatchObject({ code: "DATA_EMPTY" });
  });
});

describe("what the user got wrong", () => {
  it("is named: sources and roots that do not exist", async () => {
    await expect(runStage(world, { source: [join(world.top, "no.jsonl")] })).rejects.toMatchObject({
      code: "INPUT_MISSING",
    });
    await expect(runStage(world, { imageRoots: [join(world.top, "no")] })).rejects.toMatchObject({
      code: "INPUT_MISSING",
    });
  });

  it("is named: size rules that say nothing or too much", () => {
    const fields = (options: object) =>
      importOptionsSchema.safeParse({ source: ["a"], ...options }).error?.issues.map((issue) => issue.path[0]);
    expect(fields({ resize: "fixed-point" })).toEqual(["resize"]);
    expect(fields({ resize: "fixed-point", factor: 32, minPixels: 1 })).toEqual(["resize"]);
    expect(fields({ factor: 32 })).toEqual(["resize"]);
    const unused = importOptionsSchema.safeParse({ source: ["a"], factor: 32, model: "m" }).error?.issues[0];
    expect(unused?.message).toBe(
      "is none, so model, factor would have no effect: set resize to fixed-point, or leave them out",
    );
    expect(fields({ resize: "fixed-point", model: "m", factor: 32 })).toEqual(["model"]);
    expect(fields({ resize: "fixed-point", model: "m" })).toBeUndefined();
    expect(fields({ flattenColour: "white" })).toEqual(["flattenColour"]);
  });

  it("ends in INTERRUPTED when it is stopped", async () => {
    await writeRows(world, [row("a", "0.png")]);
    await expect(runStage(world, {}, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "INTERRUPTED" });
  });
});

describe("an interrupted import", () => {
  it("takes over the pictures that were finished, and checks them", async () => {
    await writeRows(
      world,
      [0, 1, 2, 3].map((k) => row(`r${k}`, `${k}.png`)),
    );
    const resumeDir = join(world.top, "resume-kept");
    await mkdir(resumeDir);
    const first = await runStage(world, {}, { resumeDir });
    const hash = (first.dialogues[2]!.messages[0]!.content[0] as { hash: string }).hash;
    const stored = join(resumeDir, "images", imagePath(hash));
    await rm(stored);
    await writeFile(stored, "damaged");
    const second = await runStage(world, {}, { resumeDir });
    expect(second.files).toEqual(first.files);
    expect(second.events).toContainEqual(
      expect.objectContaining({ type: "log", message: expect.stringMatching(/^3 images/) }),
    );
    expect((await stat(stored)).size).toBeGreaterThan(100);
    // Other settings make other pictures: nothing is taken over.
    const other = await runStage(
      world,
      { resize: "fixed-point", factor: 32, minPixels: 1024, maxPixels: 2048 },
      { resumeDir },
    );
    expect(other.events.some((event) => event.type === "log")).toBe(false);
  });
});

describe("names of sources", () => {
  it("are relative to what the files share", () => {
    expect(sourceNames(["/data/a.jsonl"])).toEqual(["a.jsonl"]);
    expect(sourceNames(["/data/x/a.jsonl", "/data/y/a.jsonl"])).toEqual(["x/a.jsonl", "y/a.jsonl"]);
    expect(sourceNames(["/data/a.jsonl", "/data/y/a.jsonl"])).toEqual(["a.jsonl", "y/a.jsonl"]);
    expect(sourceNames(["/a.jsonl", "/y/a.jsonl"])).toEqual(["a.jsonl", "y/a.jsonl"]);
  });
});
