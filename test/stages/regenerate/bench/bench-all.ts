/**
 * `tsx bench-all.ts [rates] [memory] [screens]` (all by default): every figure of this stage, in one run.
 *
 * rates: the stage, three undici loops (bare, kept, ceiling: bench-client.ts) and a plain asyncio client (aiohttp, with
 * uvloop where it is there) one after the other against the same stub, with short text and with bodies of 200 KB, 256 in
 * flight; of three rounds the best rate of each, and its least processor time per request, which other work on the
 * machine disturbs less. Also the stub's own time per request: it bounds every rate from above.
 * The last rates are with pictures that the stage's cache does not hold: each is read anew, as in dialogues of one turn.
 * memory: 20,000 dialogues with bodies of 200 KB and such pictures, then 3,000 with 2 MB, as 4K screenshots. screens: 278,000
 * dialogues with a 1080p screenshot each (its base64 is kept short, its 880 to 2,040 image pads are not), then the start
 * of a continuation, then every id of the output. Both show memory by tenths of the run.
 *
 * Each client and the stub are processes of their own; the stub shares the machine's cores with whoever is measured.
 * They run compiled, as users' runs do: tsx adds a call to every function that is made. There are enough requests for
 * the compiler's work in the first seconds not to weigh: the runs that this stage is for take hours.
 * The asyncio client runs in DRAFTSMITH_BENCH_PYTHON (default: python3), which needs aiohttp.
 */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { promisify } from "node:util";
import { readJsonl } from "../../../../src/artifacts/jsonl-reader.js";
import { generationSchema, turnIds } from "../../../../src/dialogue/index.js";
import { temporaryDirectory } from "../harness.js";
import { writeBenchData } from "./bench-data.js";
import { screenAnswers } from "./bench-screens.js";

const run = promisify(execFile);
const IN_FLIGHT = 256;
/** Pictures of 200 KB as base64; the stage keeps 64 MiB of them. */
const IN_THE_CACHE = 200;
const MORE_THAN_THE_CACHE = 1000;
const ROUNDS = Number(process.env.DRAFTSMITH_BENCH_ROUNDS ?? 3);
/** Linux counts processor time in these, whatever the kernel was built with. */
const TICKS_PER_SECOND = 100;
const MODES = ["ceiling", "kept", "bare", "stage", "asyncio"] as const;
const SCREENS = Number(process.env.DRAFTSMITH_BENCH_SCREENS ?? 278_000);

interface Measured {
  rate: number;
  cpuMs: number;
  [other: string]: unknown;
}

const SOURCES = join(import.meta.dirname, "../../../..");
/** In `dist`, so that packages are found from there. */
const BUILT = join(SOURCES, "dist/bench");
const BUILT_HERE = join(BUILT, "test/stages/regenerate/bench");

async function build(): Promise<void> {
  const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
  await rm(BUILT, { recursive: true, force: true });
  const emit = ["--noEmit", "false", "--noCheck", "--declaration", "false", "--outDir", BUILT];
  await run(process.execPath, [tsc, "-p", join(SOURCES, "tsconfig.json"), ...emit]);
}

async function withStub(mode: string, work: (url: string, pid: number) => Promise<void>): Promise<void> {
  const script = join(BUILT_HERE, "bench-stub.js");
  const stub = spawn(process.execPath, [script, mode], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    const [port] = (await once(stub.stdout, "data")) as [Buffer];
    await work(`http://127.0.0.1:${port.toString().trim()}`, stub.pid!);
  } finally {
    stub.kill();
  }
}

type Mode = (typeof MODES)[number];

async function measure(mode: Mode, url: string, root: string, count: number, work: string) {
  const python = process.env.DRAFTSMITH_BENCH_PYTHON ?? "python3";
  const { stdout } =
    mode === "asyncio"
      ? await run(python, [
          join(import.meta.dirname, "bench_asyncio.py"),
          ...[url, root, `${count}`, `${IN_FLIGHT}`, join(work, "asyncio.jsonl")],
        ])
      : await run(process.execPath, [
          join(BUILT_HERE, "bench-client.js"),
          ...[mode, url, root, `${count}`, `${IN_FLIGHT}`, work],
        ]);
  return JSON.parse(stdout) as Measured;
}

/** Processor seconds of another process so far; not known where there is no /proc. */
async function cpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "latin1").catch(() => undefined);
  const [user, system] = (stat?.slice(stat.lastIndexOf(")") + 2).split(" ") ?? []).slice(11, 13).map(Number);
  return ((user ?? Number.NaN) + (system ?? Number.NaN)) / TICKS_PER_SECOND;
}

async function rates(): Promise<void> {
  for (const [bodyKb, count, pictures] of [
    [0, 120_000, 0],
    [200, 40_000, IN_THE_CACHE],
    [200, 20_000, MORE_THAN_THE_CACHE],
  ] as const) {
    const root = await temporaryDirectory();
    await writeBenchData(root, count, bodyKb, pictures);
    await withStub(bodyKb > 0 ? "image" : "text", async (url, pid) => {
      const best: Partial<Record<Mode, number>> = {};
      const cpuMs: Partial<Record<Mode | "stub", number>> = {};
      for (let round = 0; round < ROUNDS; round += 1) {
        for (const mode of MODES) {
          const work = await temporaryDirectory();
          // The asyncio client is slow enough, and not compiled under way.
          const asked = mode === "asyncio" ? count / 5 : count;
          const before = await cpuSeconds(pid);
          const measured = await measure(mode, url, root, asked, work);
          const stub = (((await cpuSeconds(pid)) - before) * 1000) / asked;
          best[mode] = Math.max(best[mode] ?? 0, Math.round(measured.rate));
          cpuMs[mode] = Math.min(cpuMs[mode] ?? Infinity, measured.cpuMs);
          cpuMs.stub = Math.min(cpuMs.stub ?? Infinity, Number(stub.toFixed(4)));
          await rm(work, { recursive: true });
        }
      }
      const shares = (values: typeof cpuMs, of: (own: number, other: number) => number): object =>
        Object.fromEntries(
          MODES.map((mode) => [mode, Number(of(values.stage!, values[mode]!).toFixed(2))]).filter(
            ([mode]) => mode !== "stage",
          ),
        );
      console.log(JSON.stringify({ bench: "rates", bodyKb, pictures, count, inFlight: IN_FLIGHT, ...best }));
      console.log(JSON.stringify({ stageTo: "rates of the others", ...shares(best, (own, other) => own / other) }));
      console.log(JSON.stringify({ bench: "CPU ms per request", bodyKb, pictures, ...cpuMs }));
      console.log(JSON.stringify({ stageTo: "their work per CPU ms", ...shares(cpuMs, (own, other) => other / own) }));
    });
    await rm(root, { recursive: true });
  }
}

async function memory(): Promise<void> {
  for (const [bodyKb, count, pictures] of [
    [200, 20_000, MORE_THAN_THE_CACHE],
    [2048, 3000, 100],
  ] as const) {
    const [root, work] = [await temporaryDirectory(), await temporaryDirectory()];
    await writeBenchData(root, count, bodyKb, pictures);
    await withStub("image", async (url) => {
      const measured = await measure("stage", url, root, count, work);
      console.log(JSON.stringify({ bench: `memory, ${bodyKb} KB bodies`, ...measured }));
    });
    await Promise.all([root, work].map((path) => rm(path, { recursive: true })));
  }
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
    const { turns } = generationSchema.parse(value);
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
await build();
for (const [name, part] of Object.entries(parts)) if (wanted.length === 0 || wanted.includes(name)) await part();
