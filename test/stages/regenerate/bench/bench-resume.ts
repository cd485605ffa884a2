/**
 * `tsx bench-resume.ts [COUNT]`: how long a run that finds COUNT finished dialogues takes to ask its first question, the
 * last dialogue of the file, and what memory it needs; beside the time of a bare read of the same two files, parsed.
 */
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { openJournal } from "../../../../src/artifacts/journal.js";
import { readJsonl } from "../../../../src/artifacts/jsonl-reader.js";
import { type Dialogue, dialogueDigest, type Generation } from "../../../../src/dialogue/index.js";
import { stage } from "../../../../src/stages/regenerate/index.js";
import { startStub } from "../../../sglang-client/stub-server.js";
import { manifestOf, temporaryDirectory, writeArtifact } from "../harness.js";

const [count = 278_000] = process.argv.slice(2).map(Number);
const BATCH = 512;

function rowOf(k: number): Dialogue {
  const text = `Question ${k}: ${"what is to be done on this screen? ".repeat(8)}`;
  return {
    id: `dialogue-${k}`,
    source: { file: "raw.jsonl", line: k + 1 },
    messages: [
      { role: "user", content: [{ type: "text", text }] },
      { role: "assistant", content: [{ type: "text", text: "an answer" }] },
    ],
  };
}

const stub = await startStub();
const root = await temporaryDirectory();

async function runOn(total: number, resumeDir: string): Promise<void> {
  await stage.run(
    stage.options.parse({ servers: [stub.url] }),
    { dialogues: { path: root, manifest: manifestOf(total) }, earlier: undefined },
    {
      step: "bench",
      events: { emit: () => undefined },
      signal: new AbortController().signal,
      workDir: await temporaryDirectory(),
      resumeDir,
      limit: undefined,
    },
  );
}

/** A real run of one dialogue gives the settings and the form of a row; the others are made like it. */
await writeArtifact(root, [rowOf(0)]);
const sample = await temporaryDirectory();
await runOn(1, sample);
const records = (await readFile(join(sample, "journal.jsonl"), "utf8")).trim().split("\n");
const [settings, end] = records.map((line) => (JSON.parse(line) as [string, Record<string, unknown>])[1]);
const resumeDir = await temporaryDirectory();
const path = join(resumeDir, "journal.jsonl");
const journal = await openJournal(path);
await journal.append(settings as never);
const file = createWriteStream(join(root, "dialogues.jsonl"));
let writing: Promise<unknown>[] = [];
for (let k = 0; k <= count; k += 1) {
  const dialogue = rowOf(k);
  if (!file.write(`${JSON.stringify(dialogue)}\n`)) await once(file, "drain");
  if (k === count) break;
  const key = dialogueDigest(dialogue);
  const row = { ...(end!.row as Generation), id: dialogue.id, dialogueDigest: key, messages: dialogue.messages };
  writing.push(journal.append({ ...end, key, row } as never));
  if (writing.length < BATCH) continue;
  await Promise.all(writing);
  writing = [];
}
await Promise.all(writing);
await journal.close();
file.end();
await once(file, "close");

const began = performance.now();
const seconds = (): number => Number(((performance.now() - began) / 1000).toFixed(2));
for (const each of [join(root, "dialogues.jsonl"), path]) for await (const _ of readJsonl(each));
const bareRead = seconds();

let peak = 0;
const watch = setInterval(() => {
  peak = Math.max(peak, process.memoryUsage().rss);
}, 50);
const before = seconds();
let firstQuestion: number | undefined;
let peakAtQuestion = 0;
stub.options.fault = (_, body) => {
  if (!JSON.stringify(body.messages).includes(`Question ${count}:`)) return undefined;
  firstQuestion ??= Number((seconds() - before).toFixed(2));
  peakAtQuestion ||= Math.max(peak, process.memoryUsage().rss);
  return undefined;
};
await runOn(count + 1, resumeDir);
const whole = Number((seconds() - before).toFixed(2));
clearInterval(watch);
console.log(
  JSON.stringify({
    count,
    journalMiB: Math.round((await stat(path)).size / 2 ** 20),
    bareReadSeconds: bareRead,
    secondsToFirstQuestion: firstQuestion,
    ratioToBareRead: Number(((firstQuestion ?? Number.NaN) / bareRead).toFixed(2)),
    secondsWithMerge: whole,
    peakMiBAtQuestion: Math.round(peakAtQuestion / 2 ** 20),
    peakMiB: Math.round(peak / 2 ** 20),
  }),
);
await stub.close();
