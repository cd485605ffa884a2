/**
 * kill -9 at random instants: the final files must be those of an undisturbed run, every time.
 * DRAFTSMITH_KILLS=1000 for the long form.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { InputArtifact } from "../../../../src/stages/stage.js";
import { PROBE_REQUESTS, type Stub, startStub } from "../../../sglang-client/stub-server.js";
import { dialogues, type RunResult, runStage, temporaryDirectory, writeArtifact } from "../harness.js";

const KILLS = Number(process.env.DRAFTSMITH_KILLS ?? 8);
const COUNT = 60;
/** A run takes about this long between its first request and its end; kills fall into it. */
const RUN_MS = 350;

let stub: Stub;
let input: InputArtifact;
let undisturbed: RunResult;

beforeAll(async () => {
  stub = await startStub({ delayMs: (n) => 5 + ((n * 13) % 21) });
  input = await writeArtifact(await temporaryDirectory(), dialogues(COUNT));
  undisturbed = await runStage({ input, options: { servers: [stub.url], concurrency: 3 } });
});
afterAll(() => stub.close());

/** A generator of our own, so that a failing sequence can be run again. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe("kill -9", () => {
  it(
    `leaves the same bytes after ${KILLS} kills`,
    async () => {
      const draw = random(20_261_124);
      let kills = 0;
      while (kills < KILLS) {
        const directory = await temporaryDirectory();
        const [workDir, resumeDir] = [join(directory, "work"), join(directory, "resume")];
        const target = 1 + Math.floor(draw() * 5);
        for (let k = 0; k < target; k += 1) {
          const options = { servers: [stub.url], concurrency: 2 + Math.floor(draw() * 20) };
          const child = start({ root: input.path, count: COUNT, workDir, resumeDir, options });
          await said(child, "started");
          await new Promise((resolve) => setTimeout(resolve, draw() * RUN_MS));
          child.kill("SIGKILL");
          await ended(child);
          kills += 1;
        }
        const last = start({
          root: input.path,
          count: COUNT,
          workDir,
          resumeDir,
          options: { servers: [stub.url], concurrency: 16 },
        });
        await said(last, "finished");
        await ended(last);
        expect(await readFile(join(workDir, "generations.jsonl"), "utf8")).toBe(undisturbed.generations);
        expect(await readFile(join(workDir, "rejected.jsonl"), "utf8")).toBe(undisturbed.rejected);
      }
    },
    60_000 + KILLS * 3000,
  );

  it("loses no more than the answers in flight", async () => {
    const directory = await temporaryDirectory();
    const [workDir, resumeDir] = [join(directory, "work"), join(directory, "resume")];
    const before = stub.requests.length;
    const concurrency = 8;
    const child = start({
      root: input.path,
      count: COUNT,
      workDir,
      resumeDir,
      options: { servers: [stub.url], concurrency },
    });
    while (stub.requests.length - before < 70) await new Promise((resolve) => setTimeout(resolve, 5));
    child.kill("SIGKILL");
    await ended(child);
    await runStage({ input, options: { servers: [stub.url], concurrency }, resumeDir });
    const turns = undisturbed.rows.reduce((sum, row) => sum + row.turns.length, 0);
    const probes = 2 * PROBE_REQUESTS;
    expect(stub.requests.length - before).toBeLessThanOrEqual(turns + probes + concurrency);
  }, 120_000);
});

function start(order: object): ChildProcess {
  const script = join(import.meta.dirname, "child.ts");
  return spawn(process.execPath, ["--import", "tsx", script, JSON.stringify(order)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}

/** Resolves when the child prints the word, or ends. */
function said(child: ChildProcess, word: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout!.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes(word)) resolve();
    });
    child.once("exit", (code) => {
      if (text.includes(word)) resolve();
      else reject(new Error(`the child ended with ${code} before it said ${word}`));
    });
  });
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
  });
}
