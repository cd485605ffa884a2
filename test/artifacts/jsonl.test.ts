import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { openJsonlWriter, readJsonLines, readJsonl, readLines } from "../../src/artifacts/index.js";
import type { JsonValue } from "../../src/base/index.js";
import { scratchDirectory } from "../scratch/scratch.js";

let directory: string;
beforeAll(async () => {
  directory = scratchDirectory("jsonl");
});

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

describe("reading lines", () => {
  it("gives the same lines for every block size, with their numbers and offsets", async () => {
    const path = join(directory, "blocks.txt");
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.string({ unit: "grapheme" }).map((text) => text.replaceAll("\n", "")),
          { maxLength: 12 },
        ),
        fc.boolean(),
        fc.integer({ min: 1, max: 40 }),
        async (lines, ended, blockBytes) => {
          const text = lines.join("\n") + (ended && lines.length > 0 ? "\n" : "");
          await writeFile(path, text);
          const got = await collect(readLines(path, { blockBytes }));
          const expected = text === "" ? [] : text.replace(/\n$/, "").split("\n");
          expect(got.map((line) => line.content?.toString())).toEqual(expected);
          expect(got.map((line) => line.line)).toEqual(expected.map((_, k) => k + 1));
          const bytes = Buffer.from(text);
          for (const line of got) {
            expect(bytes.subarray(line.offset, line.offset + line.content!.length)).toEqual(line.content);
          }
        },
      ),
      { seed: 1, numRuns: 150 },
    );
  });

  it("reports a line that is too long without losing the ones after it", async () => {
    const path = join(directory, "long.jsonl");
    await writeFile(path, `{"a":1}\n"${"x".repeat(5000)}"\n{"a":2}\n`);
    const got = await collect(readJsonLines(path, { maxLineBytes: 100, blockBytes: 64 }));
    expect(got).toMatchObject([
      { line: 1, value: { a: 1 } },
      { line: 2, problem: "line-too-long" },
      { line: 3, value: { a: 2 } },
    ]);
  });

  it("names file and line of bad JSON, and of bytes that are not UTF-8", async () => {
    const path = join(directory, "bad.jsonl");
    await writeFile(path, Buffer.concat([Buffer.from('\ufeff{"a":1}\r\n\n{"a":\n"'), Buffer.from([0xff, 0x22, 10])]));
    const got = await collect(readJsonLines(path));
    expect(got).toMatchObject([
      { line: 1, value: { a: 1 } },
      { line: 3, problem: "json-invalid" },
      { line: 4, problem: "not-utf8" },
    ]);
    await expect(collect(readJsonl(path))).rejects.toMatchObject({
      code: "INPUT_INVALID",
      location: { file: path, line: 3 },
    });
    await expect(collect(readJsonl(join(directory, "none")))).rejects.toMatchObject({ code: "INPUT_MISSING" });
  });
});

describe("writing lines", () => {
  it("reads back what was written, over many flushes", async () => {
    const path = join(directory, "out.jsonl");
    const values: JsonValue[] = Array.from({ length: 3000 }, (_, k) => ({ k, text: `ü${"y".repeat(k)}` }));
    const writer = await openJsonlWriter(path);
    for (const value of values) await writer.write(value);
    const { lines, bytes } = await writer.close();
    expect(lines).toBe(3000);
    expect(bytes).toBe((await readFile(path)).length);
    expect((await collect(readJsonl(path))).map((line) => line.value)).toEqual(values);
  });

  it.runIf(process.platform === "linux")("turns a full disk into DISK_FULL", async () => {
    const writer = await openJsonlWriter("/dev/full");
    await writer.write({ a: 1 });
    await expect(writer.close()).rejects.toMatchObject({ code: "DISK_FULL", exitCode: 13 });
  });
});
