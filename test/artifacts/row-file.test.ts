/** Files of rows as they come: compressed, in another encoding, or of another kind altogether. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { type JsonLine, readJsonRows } from "../../src/artifacts/index.js";
import { scratchDirectory } from "../scratch/scratch.js";

let path: string;
beforeAll(() => {
  path = join(scratchDirectory("row-file"), "rows");
});

async function rowsOf(content: string | Uint8Array, options: Parameters<typeof readJsonRows>[1] = {}) {
  await writeFile(path, content);
  const rows: JsonLine[] = [];
  for await (const row of readJsonRows(path, options)) rows.push(row);
  return rows;
}

describe("gzip", () => {
  it("gives the rows of the file in it, lines or an array, in any blocks, of one member or more", async () => {
    const value = fc.oneof(fc.string({ unit: "grapheme" }), fc.integer(), fc.constant([{ deep: [1.5, null] }]));
    await fc.assert(
      fc.asyncProperty(
        fc.array(value, { maxLength: 12 }),
        fc.boolean(),
        fc.integer({ min: 64, max: 300 }),
        fc.nat(),
        async (values, array, blockBytes, cut) => {
          const objects = values.map((each) => JSON.stringify({ each }));
          const plain = Buffer.from(array ? `[${objects.join(",\n")}]` : objects.map((each) => `${each}\n`).join(""));
          const at = cut % (plain.length + 1);
          const packed = Buffer.concat([gzipSync(plain.subarray(0, at)), gzipSync(plain.subarray(at))]);
          expect(await rowsOf(packed, { blockBytes })).toEqual(await rowsOf(plain));
        },
      ),
      { seed: 71, numRuns: 150 },
    );
  });

  it("holds no long line in memory", async () => {
    const packed = gzipSync(Buffer.concat([Buffer.alloc(20 << 20, "x"), Buffer.from('\n{"a":1}\n')]));
    expect(packed.length).toBeLessThan(100_000);
    expect(await rowsOf(packed, { maxLineBytes: 1000 })).toMatchObject([
      { line: 1, problem: "line-too-long" },
      { line: 2, value: { a: 1 } },
    ]);
  });

  it("that is cut or damaged gives what comes before, and then says so", async () => {
    const lines = Array.from({ length: 5000 }, (_, k) => `{"k":${k},"text":"${Math.sin(k)}"}\n`).join("");
    const packed = gzipSync(lines);
    const flipped = Buffer.from(packed);
    flipped[packed.length - 6]! ^= 1;
    for (const broken of [packed.subarray(0, packed.length >> 1), packed.subarray(0, packed.length - 4), flipped]) {
      await writeFile(path, broken);
      let read = 0;
      const all = (async () => {
        for await (const _ of readJsonRows(path, { blockBytes: 4096 })) read += 1;
      })();
      await expect(all).rejects.toMatchObject({ code: "INPUT_INVALID", location: { file: path } });
      expect(read).toBeGreaterThan(1000);
    }
  });
});

describe("other files", () => {
  const swapped = (text: string) => Buffer.from(text, "utf16le").swap16();
  const json = '{"messages": []}\n';
  it.each<[string, Uint8Array, RegExp]>([
    ["UTF-16 with its mark", Buffer.from(`\ufeff${json}`, "utf16le"), /UTF-16/],
    ["UTF-16 the other way round", swapped(`\ufeff${json}`), /UTF-16/],
    ["UTF-16 without a mark", Buffer.from(json, "utf16le"), /UTF-16/],
    ["an array in it", swapped(`[${json}]`), /UTF-16/],
    ["the same in gzip", gzipSync(Buffer.from(`\ufeff${json}`, "utf16le")), /gzip file is UTF-16/],
    ["UTF-32", Buffer.from([0xff, 0xfe, 0, 0, 0x7b, 0, 0, 0]), /UTF-32/],
    ["Parquet", Buffer.from("PAR1\x15\x04"), /Parquet/],
    ["zip", Buffer.from("PK\x03\x04\x14"), /zip archive/],
    ["zstd", Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 4]), /zstd/],
  ])("%s: named, with what to do", async (_, content, words) => {
    await expect(rowsOf(content)).rejects.toMatchObject({
      code: "INPUT_INVALID",
      message: expect.stringMatching(words),
      hint: expect.stringMatching(/convert|export|unpack/),
    });
  });

  it("UTF-8 with its mark and an empty file are rows", async () => {
    expect(await rowsOf(`\ufeff${json}`)).toMatchObject([{ value: { messages: [] } }]);
    expect(await rowsOf("")).toEqual([]);
    expect(await rowsOf(gzipSync(""))).toEqual([]);
  });
});
