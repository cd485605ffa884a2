import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { type JsonLine, readJsonArray, readJsonRows } from "../../src/artifacts/index.js";
import { rowFileOf } from "../../src/artifacts/row-file.js";
import { scratchDirectory } from "../scratch/scratch.js";

let directory: string;
beforeAll(async () => {
  directory = scratchDirectory("array");
});

async function read(text: string, options = {}): Promise<JsonLine[]> {
  const path = join(directory, "array.json");
  await writeFile(path, text);
  const items: JsonLine[] = [];
  for await (const item of readJsonArray(path, options)) items.push(item);
  return items;
}

describe("a file that is one JSON array", () => {
  it("gives its elements, whatever they hold, for every layout and block size", async () => {
    const values = fc.array(fc.jsonValue(), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(
        values,
        fc.constantFrom(undefined, 1, "\t"),
        fc.integer({ min: 1, max: 50 }),
        async (all, space, blockBytes) => {
          const text = JSON.stringify(all, null, space);
          const items = await read(` \n${text}\n`, { blockBytes });
          expect(items.map((item) => ("value" in item ? item.value : item.problem))).toEqual(JSON.parse(text));
          const lines = ` \n${text}`.split("\n");
          for (const item of items) {
            // The element begins on the line that is named, and at the offset.
            expect(lines[item.line - 1]).not.toBe(undefined);
            const bytes = Buffer.from(` \n${text}`);
            expect(bytes.subarray(0, item.offset).toString().split("\n")).toHaveLength(item.line);
          }
        },
      ),
      { seed: 51, numRuns: 200 },
    );
  });

  it("reports bad elements and goes on", async () => {
    const items = await read(`[{"a": 1},\n{"b": oops},\n"${"x".repeat(200)}",\n{"c": 3}]`, { maxLineBytes: 100 });
    expect(items).toMatchObject([
      { line: 1, value: { a: 1 } },
      { line: 2, problem: "json-invalid" },
      { line: 3, problem: "line-too-long" },
      { line: 4, value: { c: 3 } },
    ]);
  });

  it("reports an element that the file ends in", async () => {
    expect(await read('[{"a": 1}, {"b": ')).toMatchObject([{ value: { a: 1 } }, { line: 1, problem: "json-invalid" }]);
  });

  it("is told from JSONL by its first character", async () => {
    const path = join(directory, "either");
    for (const [text, array] of [
      [' \n\t[{"a": 1}]', true],
      ["\ufeff[1]", true],
      ['{"a": [1]}\n', false],
      ["", false],
    ] as const) {
      await writeFile(path, text);
      expect((await rowFileOf(path)).kind).toBe(array ? "array" : "lines");
    }
    await writeFile(path, '{"a": 1}\n{"a": 2}\n');
    const values: JsonLine[] = [];
    for await (const item of readJsonRows(path)) values.push(item);
    expect(values).toMatchObject([{ value: { a: 1 } }, { line: 2, value: { a: 2 } }]);
  });
});
