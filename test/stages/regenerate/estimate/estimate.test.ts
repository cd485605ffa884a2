/** The estimate of --dry-run, held against files that are lopsided and against what a run really writes. */
import { stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Dialogue } from "../../../../src/dialogue/index.js";
import { openModel } from "../../../../src/model/index.js";
import { estimate } from "../../../../src/stages/regenerate/estimate/estimate.js";
import { regenerateOptionsSchema } from "../../../../src/stages/regenerate/options.js";
import { gridTokens, imageGrid } from "../../../../src/tokens/index.js";
import { type Stub, startStub } from "../../../sglang-client/stub-server.js";
import { manifestOf, runStage, temporaryDirectory, writeArtifact } from "../harness.js";

let stub: Stub;
beforeAll(async () => {
  stub = await startStub();
});
afterAll(() => stub.close());

const MODEL = join(import.meta.dirname, "../../../../fixtures/tiny-gui");

function row(k: number, words: string, answer: string, turns = 1): Dialogue {
  const messages = Array.from({ length: turns }, (_, turn) => [
    { role: "user" as const, content: [{ type: "text" as const, text: `${k} ${turn} ${words}` }] },
    { role: "assistant" as const, content: [{ type: "text" as const, text: answer }] },
  ]);
  return { id: `d${k}`, source: { file: "f", line: k + 1 }, messages: messages.flat() };
}

const parse = (more: object) => regenerateOptionsSchema.parse({ servers: ["http://127.0.0.1:9"], ...more });

async function linesOf(rows: Dialogue[], more: object = {}): Promise<string[]> {
  const input = await writeArtifact(await temporaryDirectory(), rows);
  return (await estimate(parse(more), { dialogues: input })).lines;
}

/** In bytes: "disk: about 3 MB for the output, and 1.2 GB for the journal ...". */
function sizes(line: string): number[] {
  return [...line.matchAll(/([\d.]+) (MB|GB)/g)].map(([, value, unit]) => Number(value) * (unit === "MB" ? 1e6 : 1e9));
}

function tokens(line: string): number {
  const [, value, unit] = /about ([\d.]+) (thousand|million) prompt/.exec(line) ?? [];
  return Number(value) * (unit === "million" ? 1e6 : 1e3);
}

describe("the estimate", () => {
  it("looks all over a file: one that begins with short dialogues is not taken for short", async () => {
    const root = await temporaryDirectory();
    const count = 12_000;
    await writeArtifact(root, []);
    const text = Array.from({ length: count }, (_, k) => {
      const isLong = k >= count / 2;
      return `${JSON.stringify(row(k, "word ".repeat(isLong ? 200 : 2), "a"))}\n`;
    }).join("");
    expect(text.length).toBeGreaterThan(6 << 20);
    await writeFile(join(root, "dialogues.jsonl"), text);
    const { lines } = await estimate(parse({}), { dialogues: { path: root, manifest: manifestOf(count) } });
    const truth = (count / 2) * ((5 * 200 + 5 * 2) / 4);
    // The head alone would be too small by a factor of 20, and places spread by bytes, taken as they are, too large by 1.7.
    expect(tokens(lines[2]!)).toBeGreaterThan(0.8 * truth);
    expect(tokens(lines[2]!)).toBeLessThan(1.25 * truth);
  });

  it("counts the tokens of pictures by the model's rule", async () => {
    const { processor } = await openModel(MODEL);
    const size = { width: 1280, height: 704 };
    const wanted = gridTokens(imageGrid(size, processor)!, processor.mergeSize);
    const rows = Array.from({ length: 50 }, (_, k) => {
      const dialogue = row(k, "", "a");
      dialogue.messages[0]!.content = [{ type: "image", hash: "0".repeat(64), ...size }];
      return dialogue;
    });
    const lines = await linesOf(rows, { model: MODEL });
    expect(lines[2]).toContain("by the model's rule");
    expect(tokens(lines[2]!)).toBeGreaterThanOrEqual(Math.floor((50 * wanted) / 1e3) * 1e3);
    expect(tokens(lines[2]!)).toBeLessThanOrEqual(50 * (wanted + 20) + 500);
  });

  it("foresees the disk that a run takes, within a third", async () => {
    // Answers of the recorded ones' length; letters are tokens for the stub, so ids are four times as many.
    const rows = Array.from({ length: 150 }, (_, k) =>
      row(k, "what now? ".repeat(30), "click the button now 12345", 3),
    );
    const input = await writeArtifact(await temporaryDirectory(), rows);
    const { lines } = await estimate(parse({}), { dialogues: { ...input, manifest: manifestOf(150_000) } });
    const [workDir, resumeDir] = [await temporaryDirectory(), await temporaryDirectory()];
    await runStage({ input, options: { servers: [stub.url] }, workDir, resumeDir });
    const output = (await stat(join(workDir, "generations.jsonl"))).size * 1000;
    const journal = (await stat(join(resumeDir, "journal.jsonl"))).size * 1000;
    const promptText = 150_000 * 3 * 300;
    // What the stub's byte tokens make longer than tokens of four characters.
    const surplus = promptText * (4 - 6 / 4);
    const [output_, journal_] = sizes(lines[4]!);
    expect(output_!).toBeGreaterThan(0.67 * (output - surplus));
    expect(output_!).toBeLessThan(1.33 * (output - surplus));
    expect(journal_!).toBeGreaterThan(0.67 * (journal - surplus * (5 / 3)));
    expect(journal_!).toBeLessThan(1.33 * (journal - surplus));
  });

  it("counts what a sample, a list and a partition leave", async () => {
    const rows = Array.from({ length: 80 }, (_, k) => row(k, "x", "y"));
    expect((await linesOf(rows, { sample: 0.5, partition: "0/4" }))[1]).toBe("10 dialogues, about 10 requests");
    expect((await linesOf(rows, { sample: 20 }))[1]).toBe("20 dialogues, about 20 requests");
    expect((await linesOf(rows, { onlyIds: ["d1", "d2"] }))[1]).toBe("2 dialogues, about 2 requests");
  });
});
