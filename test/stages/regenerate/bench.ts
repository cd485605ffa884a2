/**
 * `tsx bench.ts COUNT BODY_KB [IN_FLIGHT]`: the stage against a stub in another process, beside a bare undici loop that
 * assembles the same bodies from the same stored pictures, in one run, so that their ratio means something.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { Pool } from "undici";
import { sha256 } from "../../../src/base/index.js";
import type { Dialogue } from "../../../src/dialogue/index.js";
import { DIALECTS, encodeChat } from "../../../src/sglang/index.js";
import { stage } from "../../../src/stages/regenerate/index.js";
import { manifestOf, type Picture, temporaryDirectory, writeArtifact } from "./harness.js";

const [count = 2000, bodyKb = 0, inFlight = 256] = process.argv.slice(2).map(Number);
const PICTURES = 200;

const pictures: Picture[] = Array.from({ length: bodyKb > 0 ? PICTURES : 0 }, (_, k) => {
  const png = Buffer.alloc(Math.round((bodyKb * 1024 * 3) / 4), k);
  png.writeUInt32BE(k, 0);
  return { hash: sha256(png), width: 1280, height: 704, png };
});

function rowOf(k: number): Dialogue {
  const picture = pictures[k % PICTURES];
  const image = picture && { type: "image" as const, hash: picture.hash, width: picture.width, height: picture.height };
  const question = { type: "text" as const, text: `Question ${k}: ${"what is to be done on this screen? ".repeat(4)}` };
  return {
    id: `dialogue-${k}`,
    source: { file: "raw.jsonl", line: k + 1 },
    messages: [
      { role: "user", content: image === undefined ? [question] : [image, question] },
      { role: "assistant", content: [{ type: "text", text: "an answer" }] },
    ],
  };
}

async function writeRows(root: string): Promise<void> {
  await writeArtifact(root, [], pictures);
  const file = createWriteStream(join(root, "dialogues.jsonl"));
  for (let k = 0; k < count; k += 1) {
    if (!file.write(`${JSON.stringify(rowOf(k))}\n`)) await once(file, "drain");
  }
  file.end();
  await once(file, "close");
}

/** Requests per second of a loop that builds the bodies, sends them and throws the answers away. */
async function bareLoop(url: string, root: string, total: number): Promise<number> {
  const pool = new Pool(url, { connections: inFlight, headersTimeout: 0, bodyTimeout: 0 });
  const began = performance.now();
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < total) {
      const row = rowOf(next++);
      const content = [];
      for (const part of row.messages[0]!.content) {
        if (part.type === "text") content.push(part);
        else {
          const png = await readFile(join(root, "images", part.hash.slice(0, 2), `${part.hash}.png`));
          content.push({ type: "image" as const, image: { base64: Buffer.from(png.toString("base64"), "latin1") } });
        }
      }
      const body = encodeChat(
        { model: "stub", messages: [{ role: "user", content }], maxTokens: 2048 },
        DIALECTS.sglang,
      );
      const answer = await pool.request({ method: "POST", path: "/v1/chat/completions", body });
      await answer.body.dump();
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  await pool.close();
  return total / ((performance.now() - began) / 1000);
}

const root = await temporaryDirectory();
await writeRows(root);
const stubPath = join(import.meta.dirname, "bench-stub.ts");
const stub = spawn(process.execPath, ["--import", "tsx", stubPath, bodyKb > 0 ? "image" : "text"], {
  stdio: ["ignore", "pipe", "inherit"],
});
const [port] = (await once(stub.stdout, "data")) as [Buffer];
const url = `http://127.0.0.1:${port.toString().trim()}`;

const bareTotal = Math.min(count, 20_000);
const bare = await bareLoop(url, root, bareTotal);
let peak = 0;
const samples: string[] = [];
const began = performance.now();
const watch = setInterval(() => {
  const { rss } = process.memoryUsage();
  peak = Math.max(peak, rss);
  samples.push(`${((performance.now() - began) / 1000).toFixed(0)}s ${(rss / 2 ** 20).toFixed(0)}`);
}, 1000);
const [workDir, resumeDir] = [await temporaryDirectory(), await temporaryDirectory()];
let firstDone: number | undefined;
const runOnce = async (): Promise<number> => {
  const start = performance.now();
  await stage.run(
    stage.options.parse({ servers: [url], concurrency: inFlight }),
    { dialogues: { path: root, manifest: manifestOf(count) }, earlier: undefined },
    {
      step: "bench",
      events: {
        emit: (event) => {
          if (event.type === "step-progress" && event.done === count) firstDone ??= (performance.now() - start) / 1000;
        },
      },
      signal: new AbortController().signal,
      workDir,
      resumeDir,
      limit: undefined,
    },
  );
  return (performance.now() - start) / 1000;
};
const seconds = await runOnce();
const asked = firstDone ?? seconds;
const resumed = await runOnce();
clearInterval(watch);
const every = Math.ceil(samples.length / 12);
console.log(
  JSON.stringify({
    count,
    bodyKb,
    inFlight,
    bare: Math.round(bare),
    stage: Math.round(count / asked),
    ratio: Number((count / asked / bare).toFixed(2)),
    seconds: Number(seconds.toFixed(1)),
    mergeSeconds: Number((seconds - asked).toFixed(1)),
    resumeOfFinished: Number(resumed.toFixed(1)),
    peakMiB: Math.round(peak / 2 ** 20),
    outputMiB: Number(((await stat(join(workDir, "generations.jsonl"))).size / 2 ** 20).toFixed(1)),
    rss: samples.filter((_, k) => k % every === 0),
  }),
);
stub.kill();
