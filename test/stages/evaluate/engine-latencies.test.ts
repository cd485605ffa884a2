import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { predict } from "../../../src/stages/evaluate/break-even.js";
import type { MeasuredDraft } from "../../../src/stages/evaluate/drafts.js";
import { readEngineLatencies } from "../../../src/stages/evaluate/engine-latencies.js";
import { scratchDirectory } from "../../scratch/scratch.js";

const drafts: MeasuredDraft[] = [
  { name: "trained", path: "/a", setup: { layers: 5, blockSize: 8, trainingRows: 10 } },
  { name: "other", path: "/b", setup: { layers: 8, blockSize: 16, trainingRows: null } },
];
const points = [{ concurrency: 4, stepMs: 12, verifyMs: 18 }];

let file: string;
beforeEach(() => {
  file = join(scratchDirectory("latencies"), "engine.json");
});

const write = (value: unknown): Promise<void> => writeFile(file, JSON.stringify(value));

describe("latencies of an engine", () => {
  it("are those of the drafts that have the shape of the measured one", async () => {
    await write({ engine: "SGLang 0.5.23", blockSize: 16, layers: 8, points });
    const read = await readEngineLatencies(file, drafts);
    const full = { concurrency: 4, stepMs: 12, draftMs: 0, verifyMs: 18, contextTokens: null, rounds: null };
    expect(read).toEqual([{ draft: "other", source: "SGLang 0.5.23", points: [full] }]);
    const figures = { tokensPerStep: 3, pooledAcceptLength: 3, interval: null };
    expect(predict(read, { other: figures })[0]).toMatchObject({ source: "SGLang 0.5.23", speedup: 2, breakEven: 1.5 });
  });

  it.each([
    [{ engine: "x", blockSize: 8, points: [{ ...points[0], stepMs: 0 }] }, "points.0.stepMs"],
    [{ engine: "x", blockSize: 8, points: [] }, "points"],
    [{ engine: "", blockSize: 8, points }, "engine"],
    [{ engine: "x", blockSize: 8, points, note: 1 }, ""],
    [{ engine: "x", blockSize: 10, points }, "blockSize"],
    [{ engine: "x", blockSize: 8, layers: 8, points }, "blockSize"],
  ])("are refused in another form: %j", async (value, field) => {
    await write(value);
    await expect(readEngineLatencies(file, drafts)).rejects.toMatchObject({
      code: "INPUT_INVALID",
      location: { file, field },
    });
  });

  it("need a file", async () => {
    await expect(readEngineLatencies(`${file}.gone`, drafts)).rejects.toMatchObject({ code: "INPUT_MISSING" });
  });
});
