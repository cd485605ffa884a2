/**
 * Fixed dialogues with videos the whole way, from rows of frames to a step of training, on the embedded target; and what
 * the trainer feeds held against transformers' processor on the same frames.
 */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readRowsFile, type TokenRow } from "../../src/artifacts/index.js";
import { type Dialogue, imagesOf, videosOf } from "../../src/dialogue/index.js";
import { MODEL_TYPES, openModel } from "../../src/model/index.js";
import { stage as importStage } from "../../src/stages/import/index.js";
import { stage as shardStage } from "../../src/stages/shard/index.js";
import type { InputArtifact } from "../../src/stages/stage.js";
import { stage as tokenizeStage } from "../../src/stages/tokenize/index.js";
import { stage as trainStage } from "../../src/stages/train/index.js";
import { stage as validateStage } from "../../src/stages/validate/index.js";
import { templateMessages, tokenTypes } from "../../src/tokens/index.js";
import { picture } from "../stages/import/world.js";
import { Workbench } from "../stages/tokenize/workbench.js";
import { familyDirectory } from "../tokens/families.js";
import { findReference, Reference, TINY_GUI } from "../tokens/reference.js";

const found = await findReference();
const missing = "missing" in found ? found.missing : null;

/** Frames of a size that the processor changes, and of one that it keeps; even and odd numbers of them. */
const SIZES: [number, number][] = [
  [96, 64],
  [100, 70],
];

function rowOf(number: number) {
  const [width] = SIZES[number % 2]!;
  const frame = (k: number) => `${number % 2}-${(number + k) % 7}.png`;
  const frames = Array.from({ length: 2 + (number % 4) }, (_, k) => frame(k));
  const times = [{ fps: 2 }, { sample_fps: "24" }, { timestamps: frames.map((_, k) => k * 0.35) }][number % 3]!;
  const question = [
    { type: "text", text: `Clip ${number} of width ${width}:` },
    { type: "video", ...(number % 3 === 1 ? { video: frames } : { frames }), ...times },
    ...(number % 2 === 0 ? [{ type: "image", image: "still.png" }] : []),
    { type: "text", text: "What happens?" },
  ];
  return {
    id: `clip ${number}`,
    messages: [
      { role: "user", content: question },
      { role: "assistant", content: `The window number ${number} opens, then it closes.` },
      {
        role: "user",
        content: [
          { type: "video", frames: [frame(3), frame(4)], fps: 1 },
          { type: "text", text: "And now?" },
        ],
      },
      { role: "assistant", content: "Nothing else happens in it." },
    ],
  };
}

describe.skipIf(missing !== null)(`videos, the whole way${missing === null ? "" : ` (skipped: ${missing})`}`, () => {
  let bench: Workbench;
  let reference: Reference;
  let dialogues: InputArtifact;
  const ROWS = 12;

  beforeAll(async () => {
    bench = await Workbench.open();
    if ("missing" in found) return;
    reference = new Reference(found.executable);
    const images = join(bench.root, "frames");
    await mkdir(images);
    for (const [kind, [width, height]] of SIZES.entries()) {
      for (let k = 0; k < 7; k += 1) await picture(join(images, `${kind}-${k}.png`), 10 * kind + k, width, height);
    }
    await picture(join(images, "still.png"), 99, 128, 96);
    const source = join(bench.root, "rows.jsonl");
    const rows = Array.from({ length: ROWS }, (_, number) => rowOf(number));
    await writeFile(source, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    dialogues = await bench.run(importStage, { source: [source], imageRoots: [images] }, {});
    expect(dialogues.manifest.counts).toMatchObject({ kept: ROWS, rejected: {}, videos: 2 * ROWS });
  }, 120_000);
  afterAll(async () => {
    reference?.close();
    await bench?.close();
  });

  const originals = async (): Promise<Dialogue[]> => {
    const lines = (await readFile(join(dialogues.path, "dialogues.jsonl"), "utf8")).trim().split("\n");
    return lines.map((line) => JSON.parse(line) as Dialogue);
  };
  const made = async (model: string) => {
    const rows = await bench.run(tokenizeStage, { model, source: "fixed" }, { dialogues });
    // 0.5 would hold out clips that share frames with the rest: seven frames a size hang everything together.
    const shards = await bench.run(shardStage, { heldoutShare: 0 }, { rows, dialogues });
    return { rows, shards };
  };
  const rowsIn = async (shards: InputArtifact): Promise<TokenRow[]> => {
    const rows: TokenRow[] = [];
    for await (const row of readRowsFile(join(shards.path, "rows/train-00000-of-00001.arrow"))) rows.push(row);
    return rows;
  };

  it.each(MODEL_TYPES)(
    "%s: ids, types, grids and pixels of every row are those of its own processor",
    { timeout: 240_000 },
    async (type) => {
      const dir = await familyDirectory(type);
      try {
        const model = await openModel(dir);
        const { rows, shards } = await made(dir);
        expect(rows.manifest.counts).toMatchObject({ kept: 2 * ROWS, rejected: {}, rows: ROWS, videos: 2 * ROWS });
        const byId = new Map((await originals()).map((dialogue) => [dialogue.id, dialogue]));
        for (const [index, row] of (await rowsIn(shards)).entries()) {
          const { messages } = byId.get(row.dialogueId)!;
          expect([...row.mmTokenTypeIds]).toEqual([...tokenTypes(row.inputIds, model.specialIds)]);
          expect(row.mmTokenTypeIds).toContain(2);
          const answer = await reference.ask({
            model: dir,
            kind: "row",
            shards: shards.path,
            split: "train",
            index,
            messages: templateMessages(messages),
            images: imagesOf(messages).map((image) => image.hash),
            videos: videosOf(messages).map(({ frames, ...video }) => ({ ...video, frames: frames.map((f) => f.hash) })),
          });
          expect(answer).toEqual({
            length: row.inputIds.length,
            // The line end that the template writes after the last answer.
            beyond: 1,
            ids: true,
            types: true,
            pixels: true,
            grid: true,
            videoPixels: true,
            videoGrid: true,
          });
        }
      } finally {
        await rm(dir, { recursive: true, force: true });
      }
    },
  );

  it("validate counts them and finds nothing, and finds a frame that was swapped", { timeout: 120_000 }, async () => {
    const { rows, shards } = await made(TINY_GUI);
    const verdict = await bench.run(validateStage, { model: TINY_GUI }, { dialogues, rows, shards });
    const report = JSON.parse(await readFile(join(verdict.path, "report.json"), "utf8"));
    expect(report.counts).toMatchObject({ dialogues: ROWS, videos: 2 * ROWS, rows: ROWS, shardRows: ROWS });
    expect(report.rules.join("\n")).toContain("vision marks around a video");
    const file = join(dialogues.path, "dialogues.jsonl");
    const text = await readFile(file, "utf8");
    const [first, second] = videosOf((await originals())[1]!.messages)[0]!.frames;
    const swapped = (line: string) =>
      line.replace(new RegExp(`${first!.hash}|${second!.hash}`, "g"), (hash) =>
        hash === first!.hash ? second!.hash : first!.hash,
      );
    const lines = text.split("\n");
    await writeFile(file, lines.map((line, at) => (at === 1 ? swapped(line) : line)).join("\n"));
    await expect(bench.run(validateStage, { model: TINY_GUI }, { dialogues, shards })).rejects.toMatchObject({
      code: "VALIDATION_FAILED",
      message: expect.stringMatching(/images are in a different order|image was replaced/),
    });
    await writeFile(file, text);
  });

  it("a draft is trained on them, and rows of another video processor are refused", { timeout: 300_000 }, async () => {
    const { shards } = await made(TINY_GUI);
    const draft = { layers: 1, blockSize: 4, targetLayerIds: [3, 4] };
    const options = { model: TINY_GUI, draft, maxSteps: 1, batchSize: 2, anchors: 4, maxLength: 4096 };
    const checkpoints = await bench.run(trainStage, options, { shards });
    expect(checkpoints.manifest).toMatchObject({ counts: { kept: ROWS }, facts: { steps: 1 } });

    const other = await familyDirectory("qwen3_vl");
    const settings = join(other, "video_preprocessor_config.json");
    const json = JSON.parse(await readFile(settings, "utf8"));
    await writeFile(settings, JSON.stringify({ ...json, size: { ...json.size, longest_edge: 524_288 } }));
    const tokens = join(TINY_GUI, "tokenizer.json");
    await writeFile(join(other, "tokenizer.json"), await readFile(tokens));
    await expect(bench.run(trainStage, { ...options, model: other }, { shards })).rejects.toMatchObject({
      message: expect.stringContaining("made with another video processor settings"),
    });
    await rm(other, { recursive: true, force: true });
  });
});
