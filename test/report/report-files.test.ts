/** Figures under a schema, and pages that are functions of them. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { redraw } from "../../src/pipeline/index.js";
import { defineReport, redrawReport, writeReport } from "../../src/report/index.js";
import { scratchDirectory } from "../scratch/scratch.js";

const report = defineReport(
  "figures.json",
  z.strictObject({ words: z.array(z.string()), most: z.number().optional() }),
  {
    "words.txt": ({ words, most }) => `${words.join(" ")} ${most ?? "none"}\n`,
  },
);

let root: string;
beforeEach(() => {
  root = scratchDirectory("report");
});

describe("report files", () => {
  it("are the figures, and pages made of what the figures say when they are read back", async () => {
    // A member that JSON drops is not on the page either.
    await writeReport(report, { words: ["a", "é"], most: undefined }, join(root, "new"));
    expect(await readFile(join(root, "new", "words.txt"), "utf8")).toBe("a é none\n");
    await writeFile(join(root, "new", "figures.json"), '{"words": ["b"], "most": 2}');
    expect(await redrawReport(report, join(root, "new", "figures.json"))).toEqual([join(root, "new", "words.txt")]);
    expect(await readFile(join(root, "new", "words.txt"), "utf8")).toBe("b 2\n");
  });

  it("refuse figures that do not fit the schema: as a bug when they are written, as the file's fault when read", async () => {
    await expect(writeReport(report, { words: [1] }, root)).rejects.toBeInstanceOf(z.ZodError);
    const file = join(root, "figures.json");
    await writeFile(file, '{"words": "b"}');
    await expect(redrawReport(report, file)).rejects.toMatchObject({
      code: "INPUT_INVALID",
      location: { file, field: "words" },
    });
    await expect(redrawReport(report, join(root, "none.json"))).rejects.toMatchObject({ code: "INPUT_MISSING" });
  });
});

describe("drawing a report again", () => {
  it.each([
    ["not JSON", "{", /is not JSON/],
    ["no maker", "{}", /no field `stage`/],
    ["an unknown maker", '{"stage": "../x"}', /no field `stage`/],
    ["a stage without reports", '{"stage": "shard"}', /no field `stage`/],
    ["other figures", '{"stage": "validate", "verdict": "good"}', /expected/],
  ])("refuses %s", async (_, text, message) => {
    await writeFile(join(root, "report.json"), text);
    await expect(redraw(root, "/")).rejects.toMatchObject({ code: "INPUT_INVALID" });
    await expect(redraw("report.json", root)).rejects.toThrow(message);
  });

  it("needs a file", async () => {
    await expect(redraw("nowhere", root)).rejects.toMatchObject({ code: "INPUT_MISSING" });
  });
});
