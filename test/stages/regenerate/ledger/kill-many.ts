/**
 * `tsx kill-many.ts [KILLS] [SEED]`: the real command, killed with its process group at random instants and started
 * again, run after run; each output must be, byte for byte, that of a run that nobody disturbed. Instants are spread over
 * start-up, asking, and putting the output in place (`kill-instants.ts`). Prints one line with the kills of each phase;
 * exits 1 when an output differs. Needs `npm run build`.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { sealDirectory } from "../../../../src/artifacts/index.js";
import { packageRoot } from "../../../../src/trainer-process/index.js";
import { startStub } from "../../../sglang-client/stub-server.js";
import { dialogues, manifestOf, temporaryDirectory, writeArtifact } from "../harness.js";
import { Attempt, type Course, drawInstant, type Stretch } from "./kill-instants.js";

const [wanted = 1000, seed = 20_261_125] = process.argv.slice(2).map(Number);
const COUNT = 40;
const QUESTIONS = dialogues(COUNT).reduce((sum, { messages }) => sum + messages.filter(isAnswer).length, 0);
const FILES = ["generations.jsonl", "rejected.jsonl", "manifest.json"];
const MAIN = join(packageRoot(), "dist", "cli", "main.js");

function isAnswer({ role }: { role: string }): boolean {
  return role === "assistant";
}

/** A generator of our own, so that a failing sequence can be drawn again. */
function random(state: number): () => number {
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

let current: Attempt | undefined;
const stub = await startStub({
  delayMs: (n) => {
    current?.asked();
    return 3 + ((n * 13) % 17);
  },
});
const directory = await temporaryDirectory();
const input = join(directory, "input");
await writeArtifact(input, dialogues(COUNT));
const producer = { stage: "import", version: "0", options: {} };
await sealDirectory({ directory: input, kind: "dialogues", producer, inputs: {}, draft: manifestOf(COUNT) });

function start(out: string, concurrency: number): { child: ChildProcess; attempt: Attempt; complaints: Buffer[] } {
  const words = [
    ...[MAIN, "regenerate", "--in", `dialogues=${input}`, "--out", out],
    ...["--servers", stub.url, "--concurrency", `${concurrency}`],
  ];
  const child = spawn(process.execPath, words, { detached: true, stdio: ["ignore", "ignore", "pipe"] });
  const complaints: Buffer[] = [];
  child.stderr.on("data", (chunk: Buffer) => complaints.push(chunk));
  const attempt = new Attempt(out, child);
  current = attempt;
  return { child, attempt, complaints };
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
  });
}

const bytesOf = (out: string): Promise<string[]> => Promise.all(FILES.map((name) => readFile(join(out, name), "utf8")));
const reference = join(directory, "reference");
const undisturbed = start(reference, 4);
await ended(undisturbed.child);
undisturbed.attempt.close();
const expected = await bytesOf(reference);
const course: Course = {
  startUpMs: undisturbed.attempt.firstRequestMs!,
  probes: undisturbed.attempt.requests - QUESTIONS,
  questions: QUESTIONS,
  changes: undisturbed.attempt.changes ?? 1,
};

const kills: Record<Stretch, number> = { "start-up": 0, asking: 0, merging: 0, sealing: 0, publishing: 0, after: 0 };
let [killed, runs, mismatches, finished] = [0, 0, 0, 0];
const began = performance.now();

while (killed < wanted) {
  const out = join(directory, `run-${runs}`);
  // Of its own: how an earlier run went does not change what is drawn for this one.
  const draw = random(seed + runs * 7919);
  const target = 1 + Math.floor(draw() * 8);
  let open = course.questions;
  for (let k = 0; k < target; k += 1) {
    const instant = drawInstant(draw);
    const { child, attempt } = start(out, 2 + Math.floor(draw() * 20));
    await attempt.reach(instant, course, open);
    const stretch = attempt.stretch(course);
    if (!attempt.isOver) process.kill(-child.pid!, "SIGKILL");
    await ended(child);
    attempt.close();
    open -= Math.max(0, attempt.requests - course.probes);
    if (child.signalCode === "SIGKILL") {
      kills[stretch] += 1;
      killed += 1;
    } else finished += 1;
    // What is in its place is not made again.
    if (attempt.isPublished) break;
  }
  const last = start(out, 16);
  await ended(last.child);
  last.attempt.close();
  const found = await bytesOf(out).catch((error: unknown) => [String(error)]);
  if (last.child.exitCode !== 0 || found.some((text, k) => text !== expected[k])) {
    mismatches += 1;
    console.error(
      `run ${runs}: exit ${last.child.exitCode}, ${out} differs\n${Buffer.concat(last.complaints).toString()}`,
    );
  } else {
    const left = ["", ".work", ".resume", ".old", ".lock", ".report"].map((suffix) =>
      rm(`${out}${suffix}`, { recursive: true, force: true }),
    );
    await Promise.all(left);
  }
  runs += 1;
  if (runs % 20 === 0) console.error(`${killed} kills, ${runs} runs, ${mismatches} mismatches`);
}
await stub.close();
if (mismatches === 0) await rm(directory, { recursive: true });
const seconds = Math.round((performance.now() - began) / 1000);
console.log(
  JSON.stringify({ kills: killed, runs, finishedBeforeTheKill: finished, mismatches, seed, seconds, at: kills }),
);
process.exit(mismatches === 0 ? 0 : 1);
