import { execFile } from "node:child_process";
import { readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { RecordBatchReader } from "apache-arrow";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import {
  fromStored,
  IMAGE_COLUMNS,
  ImagesFile,
  openArrowWriter,
  openImagesWriter,
  openRowsFile,
  openRowsWriter,
  ROW_COLUMNS,
  readRowsFile,
  type TokenRow,
  toStored,
} from "../../src/artifacts/index.js";
import { sha256 } from "../../src/base/index.js";
import { scratchDirectory } from "../scratch/scratch.js";

let directory: string;
beforeAll(async () => {
  directory = scratchDirectory("arrow");
});

const rowArbitrary: fc.Arbitrary<TokenRow> = fc
  .record({
    tokens: fc.array(fc.tuple(fc.nat(200_000), fc.constantFrom(0, 1), fc.constantFrom(0, 1, 2)), { maxLength: 30 }),
    images: fc.array(fc.tuple(fc.string({ maxLength: 8 }), fc.nat(9), fc.nat(99), fc.nat(99)), { maxLength: 3 }),
    videos: fc.array(fc.tuple(fc.array(fc.string({ maxLength: 8 }), { maxLength: 4 }), fc.nat(9), fc.nat(99)), {
      maxLength: 2,
    }),
    dialogueId: fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }),
    row: fc.nat(100),
    turns: fc.array(fc.nat(20), { maxLength: 3 }),
    spans: fc.array(fc.tuple(fc.nat(99), fc.nat(99)), { maxLength: 3 }),
    tags: fc.dictionary(fc.constantFrom("app", "source", "ü"), fc.string({ maxLength: 5 }), { noNullPrototype: true }),
  })
  .map(({ tokens, images, videos, dialogueId, row, turns, spans, tags }) => ({
    inputIds: Int32Array.from(tokens, ([id]) => id),
    lossMask: Int8Array.from(tokens, ([, mask]) => mask),
    mmTokenTypeIds: Int8Array.from(tokens, ([, , type]) => type),
    imageHashes: images.map(([hash]) => hash),
    imageGridThw: Int32Array.from(images.flatMap(([, t, h, w]) => [t, h, w])),
    videoFrames: videos.flatMap(([frames]) => frames),
    videoFrameCounts: Int32Array.from(videos, ([frames]) => frames.length),
    videoGridThw: Int32Array.from(videos.flatMap(([, t, h]) => [t, h, h])),
    dialogueId,
    row,
    turns: Int32Array.from(turns),
    responseSpans: Int32Array.from(spans.flat()),
    tags,
  }));

async function writeRows(path: string, rows: TokenRow[], batchRows: number): Promise<void> {
  const writer = await openRowsWriter(path, { schemaVersion: 1, note: "ü" }, { batchRows });
  for (const row of rows) await writer.append(row);
  expect(await writer.close()).toEqual({ rows: rows.length, bytes: (await readFile(path)).length });
}

describe("rows in Arrow files", () => {
  it("come back as they were, in order and one by one, and equal rows give equal bytes", async () => {
    const path = join(directory, "rows.arrow");
    await fc.assert(
      fc.asyncProperty(
        fc.array(rowArbitrary, { maxLength: 20 }),
        fc.integer({ min: 1, max: 8 }),
        async (rows, size) => {
          await writeRows(path, rows, size);
          const first = sha256(await readFile(path));
          const read: TokenRow[] = [];
          for await (const row of readRowsFile(path)) read.push(row);
          expect(read).toEqual(rows);

          const file = await openRowsFile(path);
          expect(file.metadata).toEqual({ schemaVersion: 1, note: "ü" });
          expect(file.rows).toBe(rows.length);
          expect(file.batches.map((batch) => batch.rows).every((count) => count > 0 && count <= size)).toBe(true);
          const single = file.batches.flatMap((batch, b) =>
            Array.from({ length: batch.rows }, (_, k) => fromStored(file.readRow(b, k))),
          );
          expect(single).toEqual(rows);
          await file.close();

          await writeRows(path, rows, size);
          expect(sha256(await readFile(path))).toBe(first);
        },
      ),
      { seed: 3, numRuns: 60 },
    );
  });

  it("are what the library's own reader sees", async () => {
    const path = join(directory, "library.arrow");
    const rows = fc.sample(rowArbitrary, { seed: 4, numRuns: 25 });
    await writeRows(path, rows, 10);
    const ids: number[][] = [];
    const hashes: string[][] = [];
    for (const batch of RecordBatchReader.from(await readFile(path))) {
      for (const row of batch) {
        ids.push([...(row.input_ids as Iterable<number>)]);
        hashes.push([...(row.image_hashes as Iterable<string>)]);
      }
    }
    expect(ids).toEqual(rows.map((row) => [...row.inputIds]));
    expect(hashes).toEqual(rows.map((row) => row.imageHashes));
  });

  it("end a batch by bytes too, so that long rows do not fill the memory", async () => {
    const path = join(directory, "long.arrow");
    const long = { ...fc.sample(rowArbitrary, { seed: 5, numRuns: 1 })[0]!, inputIds: new Int32Array(1000) };
    const row: TokenRow = { ...long, lossMask: new Int8Array(1000), mmTokenTypeIds: new Int8Array(1000) };
    const writer = await openRowsWriter(path, {}, { batchBytes: 10_000 });
    for (let k = 0; k < 5; k += 1) await writer.append(row);
    await writer.close();
    const file = await openRowsFile(path);
    expect(file.batches.map((batch) => batch.rows)).toEqual([2, 2, 1]);
    await file.close();
  });

  it("refuse masks of another length as the bug they are", async () => {
    const writer = await openRowsWriter(join(directory, "bug.arrow"), {});
    const row = { ...fc.sample(rowArbitrary, { seed: 6, numRuns: 1 })[0]!, lossMask: new Int8Array(999) };
    expect(() => writer.append(row)).toThrow(/masks of another length/);
    await writer.discard();
  });

  it("from before there were videos have none, read whole, by batch or one by one", async () => {
    const path = join(directory, "older.arrow");
    const rows = fc.sample(rowArbitrary, { seed: 9, numRuns: 6 });
    const { video_frames, video_frame_counts, video_grid_thw, ...older } = ROW_COLUMNS;
    const writer = await openArrowWriter(path, older, { schemaVersion: 1 }, { batchRows: 4, batchBytes: 1 << 20 });
    for (const row of rows) await writer.append(toStored(row));
    await writer.close();
    const none = { videoFrames: [], videoFrameCounts: new Int32Array(0), videoGridThw: new Int32Array(0) };
    const wanted = rows.map((row) => ({ ...row, ...none }));
    const read: TokenRow[] = [];
    for await (const row of readRowsFile(path)) read.push(row);
    expect(read).toEqual(wanted);
    const file = await openRowsFile(path);
    expect(fromStored(file.readRow(1, 0))).toEqual(wanted[4]);
    expect(await file.readBatch(1, ["video_frames", "row"])).toEqual(
      wanted.slice(4).map(({ row }) => ({ video_frames: [], row })),
    );
    await file.close();
  });

  it("are refused when cut short, of other columns, or no Arrow at all", async () => {
    const path = join(directory, "bad.arrow");
    await writeRows(path, fc.sample(rowArbitrary, { seed: 7, numRuns: 5 }), 2);
    const whole = await readFile(path);
    for (const bytes of [0, 5, 20, whole.length - 100, whole.length - 1]) {
      await writeFile(path, whole);
      await truncate(path, bytes);
      await expect(openRowsFile(path)).rejects.toMatchObject({ code: "ARTIFACT_INVALID" });
    }
    await writeFile(path, whole);
    await expect(ImagesFile.open(path)).rejects.toThrow(/its columns are/);
    const other = await openArrowWriter(path, IMAGE_COLUMNS, {}, { batchRows: 1, batchBytes: 1 });
    await other.close();
    await expect(openRowsFile(path)).rejects.toMatchObject({ code: "ARTIFACT_INVALID" });
    await expect(openRowsFile(join(directory, "none.arrow"))).rejects.toMatchObject({ code: "INPUT_MISSING" });
  });

  it("changed in any byte of a batch are refused or read, but never end in another error", async () => {
    const path = join(directory, "flipped.arrow");
    await writeRows(path, fc.sample(rowArbitrary, { seed: 17, numRuns: 12 }), 5);
    const whole = await readFile(path);
    const file = await openRowsFile(path);
    const bodies = file.batches.flatMap(({ columns }) =>
      Object.values(columns).flatMap((regions) => Object.values(regions)),
    );
    await file.close();
    const places = bodies.flatMap(({ position, bytes }) => Array.from({ length: bytes }, (_, k) => position + k));
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...places), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const bytes = Buffer.from(whole);
        bytes[at]! ^= change;
        await writeFile(path, bytes);
        try {
          for await (const row of readRowsFile(path)) expect(row.inputIds).toBeInstanceOf(Int32Array);
        } catch (error) {
          expect(error).toMatchObject({ code: "ARTIFACT_INVALID", location: { file: path } });
          refused += 1;
        }
      }),
      { seed: 18, numRuns: 400 },
    );
    expect(refused).toBeGreaterThan(20);
  });

  it.runIf(process.platform === "linux")("fail with DISK_FULL on a full disk", async () => {
    const writer = await openRowsWriter("/dev/full", {});
    await writer.append(fc.sample(rowArbitrary, { seed: 8, numRuns: 1 })[0]!);
    await expect(writer.close()).rejects.toMatchObject({ code: "DISK_FULL" });
  });
});

describe("images in Arrow files", () => {
  it("come back as they were", async () => {
    const path = join(directory, "images.arrow");
    const images = [0, 1, 2].map((k) => {
      const png = new Uint8Array(k * 7).fill(k);
      return { hash: sha256(png), png, width: k + 1, height: 9 };
    });
    const writer = await openImagesWriter(path, { schemaVersion: 1 });
    for (const image of images) await writer.append(image);
    await writer.close();
    const file = await ImagesFile.open(path);
    expect(file.metadata).toEqual({ schemaVersion: 1 });
    const read: unknown[] = [];
    for await (const image of file.readImages()) read.push(image);
    expect(read).toEqual(images);
    for (const image of images) expect(await file.find(image.hash)).toEqual(image);
    expect(await file.find("f".repeat(64))).toBeUndefined();
    await file.close();
  });

  it("with other bytes than their hash are refused by name, whole and one by one", async () => {
    const path = join(directory, "changed.arrow");
    const hash = sha256("another");
    const writer = await openImagesWriter(path, {});
    await writer.append({ hash, png: Buffer.from("not it"), width: 1, height: 1 });
    await writer.close();
    const file = await ImagesFile.open(path);
    const damage = { code: "ARTIFACT_INVALID", message: expect.stringContaining(hash), location: { file: path } };
    await expect(file.readImages().next()).rejects.toMatchObject(damage);
    await expect(file.find(hash)).rejects.toMatchObject(damage);
    await file.close();
  });
});

const python = process.env.DRAFTSMITH_PYTHON;
describe.runIf(python !== undefined)("pyarrow (skipped unless DRAFTSMITH_PYTHON names a Python that has it)", () => {
  it("maps our files into memory and reads the same rows", async () => {
    const path = join(directory, "pyarrow.arrow");
    const empty = join(directory, "pyarrow-empty.arrow");
    const rows = fc.sample(rowArbitrary, { seed: 9, numRuns: 50 });
    await writeRows(path, rows, 16);
    await writeRows(empty, [], 16);
    const script = `
import json, sys
import pyarrow as pa
schema = pa.schema([("input_ids", pa.list_(pa.int32())), ("loss_mask", pa.list_(pa.int8())),
    ("mm_token_type_ids", pa.list_(pa.int8())), ("image_hashes", pa.list_(pa.utf8())), ("image_grid_thw", pa.list_(pa.int32())),
    ("video_frames", pa.list_(pa.utf8())), ("video_frame_counts", pa.list_(pa.int32())), ("video_grid_thw", pa.list_(pa.int32())),
    ("dialogue_id", pa.utf8()), ("row", pa.int32()), ("turns", pa.list_(pa.int32())), ("response_spans", pa.list_(pa.int32())),
    ("tags", pa.utf8())])
out = []
for path in sys.argv[1:]:
    file = pa.ipc.open_file(pa.memory_map(path))
    assert file.schema.equals(schema), file.schema
    assert json.loads(file.schema.metadata[b"draftsmith"])["schemaVersion"] == 1
    table = file.read_all()
    table.validate(full=True)
    out.append(table.to_pylist())
print(json.dumps(out))`;
    const { stdout } = await promisify(execFile)(python!, ["-c", script, path, empty], { maxBuffer: 1 << 26 });
    const [read, none] = JSON.parse(stdout) as [Record<string, unknown>[], unknown[]];
    expect(none).toEqual([]);
    expect(read).toEqual(
      rows.map((row) => ({
        input_ids: [...row.inputIds],
        loss_mask: [...row.lossMask],
        mm_token_type_ids: [...row.mmTokenTypeIds],
        image_hashes: row.imageHashes,
        image_grid_thw: [...row.imageGridThw],
        video_frames: row.videoFrames,
        video_frame_counts: [...row.videoFrameCounts],
        video_grid_thw: [...row.videoGridThw],
        dialogue_id: row.dialogueId,
        row: row.row,
        turns: [...row.turns],
        response_spans: [...row.responseSpans],
        tags: expect.any(String),
      })),
    );
    expect(read.map((row) => JSON.parse(row.tags as string))).toEqual(rows.map((row) => row.tags));
  });
});
