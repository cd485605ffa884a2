/**
 * `tsx kill-many.ts [KILLS] [SEED]`: the real command, killed with its process group at random instants and started
 * again, run after run; each output must be, byte for byte, that of a run that nobody disturbed. Instants are drawn for
 * all phases: start, opening the journal, asking, putting in order, sealing, publishing. Prints one line; exits 1 when
 * an output differs. Needs `npm run build`.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { sealDirectory } from "../../../src/artifacts/index.js";
import { packageRoot } from "../../../src/python/index.js";
import { startStub } from "../../sglang-client/stub-server.js";
import { dialogues, manifestOf, temporaryDirectory, writeArtifact } from "./harness.js";

const [wanted = 1000, seed = 20_261_125] = process.argv.slice(2).map(Number);
const COUNT = 40;
const FILES = ["generations.jsonl", "rejected.jsonl", "manifest.json"];
/** What has to be there before the clock of a kill starts, and how long that clock runs at most, in ms. */
const TRIGGERS = ["start", "work", "journal", "request", "merge", "seal", "publish"] as const;
const SPREAD_MS = { start: 700, work: 60, journal: 60, request: 250, merge: 6, seal: 6, publish: 6 };
const MAIN = join(packageRoot(), "dist", "cli", "main.js");

/** A generator of our own, so that a failing sequence can be drawn again. */
function random(state: number): () => number {
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const draw = random(seed);
const stub = await startStub({ delayMs: (n) => 3 + ((n * 13) % 17) });
const directory = await temporaryDirectory();
const input = join(directory, "input");
await writeArtifact(input, dialogues(COUNT));
const producer = { stage: "import", version: "0", options: {} };
await sealDirectory({ directory: input, kind: "dialogues", producer, inputs: {}, draft: manifestOf(COUNT) });

const wordsOf = (out: string, concurrency: number): string[] => [
  ...[MAIN, "regenerate", "--in", `dialogues=${input}`, "--out", out],
  ...["--servers", stub.url, "--concurrency", `${concurrency}`],
];
const bytesOf = (out: string): Promise<string[]> => Promise.all(FILES.map((name) => readFile(join(out, name), "utf8")));
const reference = join(directory, "reference");
await promisify(execFile)(process.execPath, wordsOf(reference, 4));
const expected = await bytesOf(reference);

const phases: Record<string, number> = {};
let [kills, runs, mismatches, finished] = [0, 0, 0, 0];

/** How far it has come, by what lies on disk. */
function phaseOf(out: string, before: number): string {
  const work = `${out}.work`;
  if (existsSync(join(out, "manifest.json"))) return "publish";
  if (existsSync(join(work, "manifest.json"))) return "publish";
  if (existsSync(join(work, "fingerprint.json"))) return "seal";
  if (existsSync(join(work, "generations.jsonl"))) return "merge";
  if (stub.requests.length > before + 2) return "request";
  if (existsSync(`${out}.resume`) && stub.requests.length > before) return "journal";
  return existsSync(`${out}.lock`) ? "work" : "start";
}

/** @returns whether the child was killed; false: it ended by itself before */
async function killOnce(child: ChildProcess, out: string): Promise<boolean> {
  const trigger = TRIGGERS[Math.floor(draw() * TRIGGERS.length)]!;
  const delay = draw() * SPREAD_MS[trigger];
  const before = stub.requests.length;
  const rank = (phase: string): number => TRIGGERS.indexOf(phase as (typeof TRIGGERS)[number]);
  const isOver = (): boolean => child.exitCode !== null || child.signalCode !== null;
  while (!isOver() && rank(phaseOf(out, before)) < rank(trigger)) await sleep(1);
  await sleep(delay);
  if (isOver()) return false;
  const phase = phaseOf(out, before);
  process.kill(-child.pid!, "SIGKILL");
  await ended(child);
  if (child.signalCode !== "SIGKILL") return false;
  phases[phase] = (phases[phase] ?? 0) + 1;
  return true;
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
  });
}

while (kills < wanted) {
  const out = join(directory, `run-${runs}`);
  const target = 1 + Math.floor(draw() * 8);
  for (let k = 0; k < target; k += 1) {
    const child = spawn(process.execPath, wordsOf(out, 2 + Math.floor(draw() * 20)), {
      detached: true,
      stdio: "ignore",
    });
    if (await killOnce(child, out)) kills += 1;
    else {
      await ended(child);
      finished += 1;
    }
  }
  const last = spawn(process.execPath, wordsOf(out, 16), { stdio: ["ignore", "ignore", "pipe"] });
  const complaints: Buffer[] = [];
  last.stderr.on("data", (chunk: Buffer) => complaints.push(chunk));
  await ended(last);
  const found = await bytesOf(out).catch((error: unknown) => [String(error)]);
  if (last.exitCode !== 0 || found.some((text, k) => text !== expected[k])) {
    mismatches += 1;
    console.error(`run ${runs}: exit ${last.exitCode}, ${out} differs\n${Buffer.concat(complaints).toString()}`);
  } else {
    const left = ["", ".work", ".resume", ".old", ".lock"].map((suffix) =>
      rm(`${out}${suffix}`, { recursive: true, force: true }),
    );
    await Promise.all(left);
  }
  runs += 1;
  if (runs % 20 === 0) console.error(`${kills} kills, ${runs} runs, ${mismatches} mismatches`);
}
await stub.close();
if (mismatches === 0) await rm(directory, { recursive: true });
console.log(JSON.stringify({ kills, runs, finishedBeforeTheKill: finished, mismatches, seed, phases }));
process.exit(mismatches === 0 ? 0 : 1);
