/**
 * `tsx bench-all.ts [rates] [memory] [screens]` (all by default): every figure of this stage, in one run.
 *
 * rates: the stage, a bare undici loop and a plain asyncio client (aiohttp, with uvloop where it is there) one after the
 * other against the same stub, with short text and with bodies of 200 KB, 256 in flight; the best of three rounds each.
 * memory: 20,000 dialogues with bodies of 200 KB. screens: 278,000 dialogues with a 1080p screenshot each (its base64 is
 * kept short, its 880 to 2,040 image pads are not), then the start of a continuation, then every id of the output.
 *
 * Each client and the stub are processes of their own; the stub shares the machine's cores with whoever is measured.
 * The asyncio client runs in DRAFTSMITH_BENCH_PYTHON (default: python3), which needs aiohttp.
 */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { readJsonl } from "../../../src/artifacts/jsonl-reader.js";
import { type Generation, turnIds } from "../../../src/dialogue/index.js";
import { writeBenchData } from "./bench-data.js";
import { screenAnswers } from "./bench-screens.js";
import { temporaryDirectory } from "./harness.js";

const run = promisify(execFile);
const IN_FLIGHT = 256;
const ROUNDS = 3;
const SCREENS = Number(process.env.DRAFTSMITH_BENCH_SCREENS ?? 278_000);

interface Measured {
  rate: number;
  [other: string]: unknown;
}

async function withStub(mode: string, work: (url: string) => Promise<void>): Promise<void> {
  const script = join(import.meta.dirname, "bench-stub.ts");
  const stub = spawn(process.execPath, ["--import", "tsx", script, mode], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    const [port] = (await once(stub.stdout, "data")) as [Buffer];
    await work(`http://127.0.0.1:${port.toString().trim()}`);
  } finally {
    stub.kill();
  }
}

async function measure(mode: "stage" | "bare" | "asyncio", url: string, root: string, count: number, work: string) {
  const python = process.env.DRAFTSMITH_BENCH_PYTHON ?? "python3";
  const { stdout } =
    mode === "asyncio"
      ? await run(python, [
          join(import.meta.dirname, "bench_asyncio.py"),
          ...[url, root, `${count}`, `${IN_FLIGHT}`, join(work, "asyncio.jsonl")],
        ])
      : await run(process.execPath, [
          ...["--import", "tsx", join(import.meta.dirname, "bench-client.ts")],
          ...[mode, url, root, `${count}`, `${IN_FLIGHT}`, work],
        ]);
  return JSON.parse(stdout) as Measured;
}

async function rates(): Promise<void> {
  for (const [bodyKb, count] of [
    [0, 20_000],
    [200, 6000],
  ] as const) {
    const root = await temporaryDirectory();
    await writeBenchData(root, count, bodyKb);
    await withStub(bodyKb > 0 ? "image" : "text", async (url) => {
      const best = { stage: 0, bare: 0, asyncio: 0 };
      for (let round = 0; round < ROUNDS; round += 1) {
        for (const mode of ["bare", "stage", "asyncio"] as const) {
          const work = await temporaryDirectory();
          // The asyncio client is slow enough with a part of them.
          const asked = mode === "asyncio" ? count / 3 : count;
          const { rate } = await measure(mode, url, root, Math.floor(asked), work);
          best[mode] = Math.max(best[mode], Math.round(rate));
          await rm(work, { recursive: true });
        }
      }
      const ratio = (other: number): number => Number((best.stage / other).toFixed(2));
      const ratios = { toAsyncio: ratio(best.asyncio), toBare: ratio(best.bare) };
      console.log(JSON.stringify({ bench: "rates", bodyKb, count, inFlight: IN_FLIGHT, ...best, ...ratios }));
    });
    await rm(root, { recursive: true });
  }
}

async function memory(): Promise<void> {
  const [root, work] = [await temporaryDirectory(), await temporaryDirectory()];
  await writeBenchData(root, 20_000, 200);
  await withStub("image", async (url) => {
    const measured = await measure("stage", url, root, 20_000, work);
    console.log(JSON.stringify({ bench: "memory, 200 KB bodies", ...measured }));
  });
  await Promise.all([root, work].map((path) => rm(path, { recursive: true })));
}

async function screens(): Promise<void> {
  const [root, work] = [await temporaryDirectory(), await temporaryDirectory()];
  await writeBenchData(root, SCREENS, 1);
  await withStub("screens", async (url) => {
    const first = await measure("stage", url, root, SCREENS, work);
    console.log(JSON.stringify({ bench: "screens", ...first }));
    const again = await measure("stage", url, root, SCREENS, work);
    console.log(JSON.stringify({ bench: "continuation of a finished run", ...again }));
  });
  console.log(JSON.stringify({ bench: "ids of the output", ...(await checkIds(join(work, "work"))) }));
  await Promise.all([root, work].map((path) => rm(path, { recursive: true })));
}

/** Unfolds every row and holds it against what the stub sent. */
async function checkIds(directory: string): Promise<{ rows: number; wrong: number }> {
  const sent = screenAnswers();
  let [rows, wrong] = [0, 0];
  for await (const { value } of readJsonl(join(directory, "generations.jsonl"))) {
    const { turns } = value as unknown as Generation;
    const { prompt, response } = turnIds(turns)[0]!;
    const { promptIds, responseIds } = sent[Number(/\d+/.exec(turns[0]!.text)?.[0])]!;
    const isEqual = equal(prompt, promptIds) && equal(response, responseIds);
    rows += 1;
    if (!isEqual) wrong += 1;
  }
  return { rows, wrong };
}

function equal(one: ArrayLike<number>, other: readonly number[]): boolean {
  return one.length === other.length && other.every((id, k) => one[k] === id);
}

const parts: Record<string, () => Promise<void>> = { rates, memory, screens };
const wanted = process.argv.slice(2);
for (const [name, part] of Object.entries(parts)) if (wanted.length === 0 || wanted.includes(name)) await part();
