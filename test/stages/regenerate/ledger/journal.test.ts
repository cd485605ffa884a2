/** A journal that was cut anywhere, or damaged, still leads to the same bytes: at worst something is asked again. */
import { spawn } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { InputArtifact } from "../../../../src/stages/stage.js";
import { PROBE_REQUESTS, type Stub, startStub } from "../../../sglang-client/stub-server.js";
import { dialogues, type RunResult, runStage, temporaryDirectory, writeArtifact } from "../harness.js";

let stub: Stub;
let input: InputArtifact;
let undisturbed: RunResult;
let journal: Buffer;

beforeAll(async () => {
  stub = await startStub();
  input = await writeArtifact(await temporaryDirectory(), dialogues(15));
  const resumeDir = await temporaryDirectory();
  undisturbed = await runStage({ input, options: { servers: [stub.url], concurrency: 4 }, resumeDir });
  journal = await readFile(join(resumeDir, "journal.jsonl"));
});
afterAll(() => stub.close());

async function resumed(bytes: Buffer, concurrency: number): Promise<{ result: RunResult; asked: number }> {
  const resumeDir = await temporaryDirectory();
  await writeFile(join(resumeDir, "journal.jsonl"), bytes);
  const before = stub.requests.length;
  const result = await runStage({ input, options: { servers: [stub.url], concurrency }, resumeDir });
  // One request is the probe.
  return { result, asked: stub.requests.length - before - PROBE_REQUESTS };
}

describe("a journal", () => {
  it("cut at any byte gives the same files, and what it holds is not asked again", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: journal.length }),
        fc.integer({ min: 1, max: 12 }),
        async (cut, concurrency) => {
          const { result, asked } = await resumed(journal.subarray(0, cut), concurrency);
          expect(result.generations).toBe(undisturbed.generations);
          expect(result.rejected).toBe(undisturbed.rejected);
          expect(result.draft).toEqual(undisturbed.draft);
          const whole = journal.subarray(0, cut).toString().split("\n").slice(0, -1);
          // The end of a dialogue holds all its turns; turns before an end count once.
          const ended = new Set<string>();
          let known = 0;
          const turnsOf = new Map<string, number>();
          for (const line of whole) {
            const [, record] = JSON.parse(line) as [string, { type: string; key: string; row?: { turns?: unknown[] } }];
            if (record.type === "turn") turnsOf.set(record.key, (turnsOf.get(record.key) ?? 0) + 1);
            if (record.type !== "end") continue;
            ended.add(record.key);
            known += record.row?.turns?.length ?? 0;
          }
          for (const [key, turns] of turnsOf) if (!ended.has(key)) known += turns;
          expect(asked).toBe(Number(undisturbed.draft.counts.turns) - known);
        },
      ),
      { seed: 3, numRuns: 25 },
    );
  }, 120_000);

  it("damaged at any byte gives the same files", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: journal.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        async (at, flip) => {
          // A damaged settings line leaves answers of unknown settings; it is the only line that must be whole.
          fc.pre(at > journal.indexOf(10));
          const bytes = Buffer.from(journal);
          bytes[at] = bytes[at]! ^ flip;
          const { result } = await resumed(bytes, 4);
          expect(result.generations).toBe(undisturbed.generations);
          expect(result.rejected).toBe(undisturbed.rejected);
        },
      ),
      { seed: 4, numRuns: 25 },
    );
  }, 120_000);

  it("whose end never reached the disk, as after a power cut, gives the same files", async () => {
    // Pages that were not synced come back as zeros, as something else, or not at all, in any order.
    const page = fc.constantFrom("zeros", "garbage", "kept");
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: journal.indexOf(10) + 1, max: journal.length }),
        fc.array(page, { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 40, max: 700 }),
        async (synced, pages, size) => {
          const bytes = Buffer.from(journal);
          for (let at = synced, k = 0; at < bytes.length; at += size, k += 1) {
            const kind = pages[k % pages.length];
            const part = bytes.subarray(at, at + size);
            if (kind === "zeros") part.fill(0);
            if (kind === "garbage") for (let i = 0; i < part.length; i += 1) part[i] = (at + i * 97) & 255;
          }
          const { result } = await resumed(bytes, 4);
          expect(result.generations).toBe(undisturbed.generations);
          expect(result.rejected).toBe(undisturbed.rejected);
        },
      ),
      { seed: 8, numRuns: 20 },
    );
  }, 120_000);

  it("without its settings is not trusted", async () => {
    const bytes = Buffer.from(journal);
    bytes[20] = bytes[20]! ^ 1;
    const resumeDir = await temporaryDirectory();
    await writeFile(join(resumeDir, "journal.jsonl"), bytes);
    const run = runStage({ input, options: { servers: [stub.url] }, resumeDir });
    await expect(run).rejects.toMatchObject({ code: "RESUME_CONFLICT" });
  });

  it("that finds the disk full says so, and goes on when there is room", async () => {
    const resumeDir = await temporaryDirectory();
    const workDir = join(await temporaryDirectory(), "work");
    const order = { root: input.path, count: 15, workDir, resumeDir, options: { servers: [stub.url], concurrency: 2 } };
    const script = join(import.meta.dirname, "child.ts");
    // ulimit -f counts blocks of 1 KiB; EFBIG stands in for ENOSPC, which needs a file system of its own.
    const line = `ulimit -f ${Math.floor(journal.length / 2048)}; exec "$0" --import tsx "$1" "$2"`;
    const child = await new Promise<string>((resolve) => {
      const limited = spawn("bash", ["-c", line, process.execPath, script, JSON.stringify(order)], {
        stdio: ["ignore", "ignore", "pipe"],
      });
      let text = "";
      limited.stderr.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      limited.once("exit", () => resolve(text));
    });
    expect(child).toContain("DISK_FULL");
    const result = await runStage({ input, options: { servers: [stub.url] }, resumeDir });
    expect(result.generations).toBe(undisturbed.generations);
  }, 90_000);
});
