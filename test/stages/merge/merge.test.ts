/** Parts of a run put together give the bytes of an undivided run; anything missing, doubled or different is named. */
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Manifest, sealDirectory } from "../../../src/artifacts/index.js";
import type { Generation } from "../../../src/dialogue/index.js";
import { runStage } from "../../../src/pipeline/index.js";
import { stage as merge } from "../../../src/stages/merge/index.js";
import { stage as regenerate } from "../../../src/stages/regenerate/index.js";
import { type Stub, startStub } from "../../sglang-client/stub-server.js";
import { dialogues, temporaryDirectory } from "../regenerate/harness.js";
import { sealedDialogues } from "../regenerate/sealed.js";

const COUNT = 40;
const PARTS = 3;
let stub: Stub;
let root: string;
let whole: Manifest;
const part = (index: number): string => join(root, `part-${index}`);
const all = (): string[] => Array.from({ length: PARTS }, (_, k) => part(k));

async function ask(out: string, options: object, from = "dialogues"): Promise<Manifest> {
  const inputs = { dialogues: join(root, from) };
  const request = { stage: regenerate, inputs, out: join(root, out), options: { servers: [stub.url], ...options } };
  return (await runStage(request)).manifest;
}

let merged = 0;
async function together(parts: string[], from = "dialogues"): Promise<{ out: string; manifest: Manifest }> {
  merged += 1;
  const out = join(root, `merged-${merged}`);
  const inputs = { dialogues: join(root, from) };
  const { manifest } = await runStage({ stage: merge, inputs, out, options: { parts } });
  return { out, manifest };
}

const bytes = (directory: string, file: string): Promise<string> => readFile(join(directory, file), "utf8");

/** Changes a row file and the manifest's record of it, as a faulty tool would; sizes alone are looked at on opening. */
async function spoiled(name: string, from: string, change: (lines: string[]) => string[]): Promise<string> {
  const to = join(root, name);
  await cp(from, to, { recursive: true });
  const lines = (await bytes(from, "generations.jsonl")).split("\n").slice(0, -1);
  const text = change(lines)
    .map((line) => `${line}\n`)
    .join("");
  await writeFile(join(to, "generations.jsonl"), text);
  const manifest = JSON.parse(await bytes(from, "manifest.json")) as Manifest;
  await rm(join(to, "manifest.json"));
  const { producer, inputs, counts, facts } = manifest;
  await sealDirectory({ directory: to, kind: "generations", producer, inputs, draft: { counts, facts } });
  return to;
}

beforeAll(async () => {
  // Some dialogues end in rejected.jsonl, by their content alone.
  stub = await startStub({
    fault: (_, body) => (JSON.stringify(body.messages).includes("Dialogue 7,") ? "too-long" : undefined),
  });
  root = await temporaryDirectory();
  await sealedDialogues(join(root, "dialogues"), dialogues(COUNT));
  await sealedDialogues(join(root, "others"), dialogues(COUNT - 1));
  whole = await ask("whole", {});
  for (let k = 0; k < PARTS; k += 1) await ask(`part-${k}`, { partition: `${k}/${PARTS}`, concurrency: 1 + k });
}, 120_000);
afterAll(() => stub.close());

describe("merge", () => {
  it("gives the bytes, the account and the digest of an undivided run, whatever the order of the parts", async () => {
    const { out, manifest } = await together(all().reverse());
    for (const file of ["generations.jsonl", "rejected.jsonl"]) {
      expect(await bytes(out, file)).toBe(await bytes(join(root, "whole"), file));
    }
    expect(manifest.counts).toEqual(whole.counts);
    expect(manifest.digest).toBe(whole.digest);
    expect(Number(manifest.counts.rejected?.["prompt-too-long"] ?? 0)).toBe(1);
  });

  it("gives the sample that an undivided run takes", async () => {
    const one = await ask("sample", { sample: 17 });
    for (let k = 0; k < 2; k += 1) await ask(`sample-${k}`, { sample: 17, partition: `${k}/2` });
    const { out, manifest } = await together([join(root, "sample-0"), join(root, "sample-1")]);
    expect(await bytes(out, "generations.jsonl")).toBe(await bytes(join(root, "sample"), "generations.jsonl"));
    expect(manifest.counts).toMatchObject({ read: 17, notChosen: { selection: COUNT - 17 } });
    expect(manifest.digest).toBe(one.digest);
  });

  it("keeps the mark of turns whose ids were counted, and counts them", async () => {
    const mark = (line: string): string => {
      const row = JSON.parse(line) as Generation;
      return JSON.stringify({ ...row, turns: row.turns.map((turn) => ({ ...turn, counted: true })) });
    };
    const parts = await Promise.all(all().map((from, k) => spoiled(`counted-${k}`, from, (rows) => rows.map(mark))));
    const { out, manifest } = await together(parts);
    const rows = (await bytes(join(root, "whole"), "generations.jsonl")).split("\n").slice(0, -1);
    expect(await bytes(out, "generations.jsonl")).toBe(rows.map((line) => `${mark(line)}\n`).join(""));
    expect(manifest.counts).toEqual({ ...whole.counts, countedTurns: whole.counts.turns });
  });

  it("names a part that is missing, doubled, of another division, or none", async () => {
    await expect(together(all().slice(1))).rejects.toMatchObject({ message: "part 0/3 of the run missing" });
    await cp(part(1), join(root, "twin"), { recursive: true });
    await expect(together([...all(), join(root, "twin")])).rejects.toMatchObject({
      code: "INPUT_INVALID",
      message: expect.stringContaining("part 1/3 is there twice") as string,
    });
    await ask("half", { partition: "0/2" });
    await expect(together([part(0), join(root, "half")])).rejects.toThrow(/is one of 2 parts, but .* one of 3/);
    await expect(together([join(root, "whole")])).rejects.toThrow(/is no part: regenerate made it without partition/);
  });

  it("names a part that was made with other options, by other servers, or from other dialogues", async () => {
    await ask("longer", { partition: "1/3", maxNewTokens: 99 });
    await expect(together([part(0), join(root, "longer"), part(2)])).rejects.toThrow(
      /different maxNewTokens than .*: 99, not 2048/,
    );
    const other = await startStub({ modelInfo: { model_type: "qwen3_5" } });
    try {
      await ask("served", { partition: "1/3", servers: [other.url] });
    } finally {
      await other.close();
    }
    await expect(together([part(0), join(root, "served"), part(2)])).rejects.toThrow(/different model\.modelType than/);
    await expect(together(all(), "others")).rejects.toThrow(/was made from other dialogues/);
  });

  it("names a dialogue that has no end, two ends, or no place", async () => {
    const lost = await spoiled("lost", part(0), (lines) => lines.slice(1));
    await expect(together([lost, part(1), part(2)])).rejects.toThrow(/dialogue d\d+ has no end in part 0\/3/);
    const doubled = await spoiled("doubled", part(0), (lines) => [lines[0]!, ...lines]);
    await expect(together([doubled, part(1), part(2)])).rejects.toThrow(/dialogue d\d+ has more than one end/);
    const [foreign] = (await bytes(part(1), "generations.jsonl")).split("\n");
    const strange = await spoiled("strange", part(0), (lines) => [...lines, foreign!]);
    await expect(together([strange, part(1), part(2)])).rejects.toThrow(/is not one of the dialogues of part 0\/3/);
  });
});
