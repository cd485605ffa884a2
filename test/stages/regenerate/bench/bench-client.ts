/**
 * `tsx bench-client.ts MODE URL ROOT COUNT IN_FLIGHT WORK`: one client in a process of its own; prints a JSON line.
 *
 * stage: the stage itself. The others are undici loops that throw the answers away and write nothing:
 * bare reads and encodes the picture of each request anew and joins each body;
 * kept has all that ours has for sending: encoded pictures kept by the same store, bodies in pieces that are not copied;
 * ceiling reads no dialogues and builds nothing: one ready-made body of the same size, again and again.
 */
import { mkdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { Pool } from "undici";
import { readJsonl } from "../../../../src/artifacts/jsonl-reader.js";
import { isJsonObject } from "../../../../src/base/index.js";
import type { Dialogue } from "../../../../src/dialogue/index.js";
import { DIALECTS, encodeChat, type RequestBody, type RequestImage } from "../../../../src/sglang/index.js";
import { RequestImages } from "../../../../src/stages/regenerate/asking/request-images.js";
import { stage } from "../../../../src/stages/regenerate/index.js";
import { manifestOf } from "../harness.js";
import { MemoryWatch } from "./bench-memory.js";

const [mode, url, root, countText, inFlightText, work] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
  string,
];
const [count, inFlight] = [Number(countText), Number(inFlightText)];

/** The body of a dialogue's first question. */
async function bodyOf(dialogue: Dialogue, read: (hash: string) => Promise<RequestImage>): Promise<RequestBody> {
  const content = [];
  for (const part of dialogue.messages[0]!.content) {
    if (part.type === "text") content.push(part);
    else if (part.type === "image") content.push({ type: "image" as const, image: await read(part.hash) });
  }
  return encodeChat("stub", { messages: [{ role: "user", content }], maxTokens: 2048 }, DIALECTS.sglang);
}

async function readPicture(hash: string): Promise<RequestImage> {
  const png = await readFile(join(root, "images", hash.slice(0, 2), `${hash}.png`));
  return { base64: Buffer.from(png.toString("base64"), "latin1") };
}

/** Sends what `next` gives, IN_FLIGHT at the same time. */
async function loop(next: () => Promise<RequestBody>): Promise<object> {
  const pool = new Pool(url, { connections: inFlight, headersTimeout: 0, bodyTimeout: 0 });
  let left = count;
  const lane = async (): Promise<void> => {
    while (left-- > 0) {
      const { pieces, bytes } = await next();
      const body = (pieces.length === 1 ? pieces[0]! : pieces) as Buffer;
      const headers = { "content-type": "application/json", "content-length": `${bytes}` };
      const answer = await pool.request({ method: "POST", path: "/v1/chat/completions", headers, body });
      await answer.body.dump();
    }
  };
  const began = performance.now();
  const cpu = process.cpuUsage();
  await Promise.all(Array.from({ length: inFlight }, lane));
  const measured = { rate: count / ((performance.now() - began) / 1000), cpuMs: cpuMsSince(cpu) };
  await pool.close();
  return measured;
}

/** As much as the stage's own reader would find wrong with data that the benchmark itself has written. */
function isDialogue(value: unknown): value is Dialogue {
  return isJsonObject(value) && Array.isArray(value.messages);
}

async function others(kind: string): Promise<object> {
  const rows = readJsonl(join(root, "dialogues.jsonl"));
  const nextRow = async (): Promise<Dialogue> => {
    const { value } = await rows.next();
    if (!isDialogue(value?.value)) throw new Error("a row of the benchmark's data is no dialogue");
    return value.value;
  };
  const joined = ({ pieces, bytes }: RequestBody): RequestBody => ({
    pieces: [Buffer.concat(pieces as Buffer[])],
    bytes,
  });
  if (kind === "bare") return loop(async () => joined(await bodyOf(await nextRow(), readPicture)));
  const images = new RequestImages(root);
  const kept = async (): Promise<RequestBody> => bodyOf(await nextRow(), async (hash) => images.read(hash));
  if (kind === "kept") return loop(kept);
  const ready = joined(await kept());
  return loop(() => Promise.resolve(ready));
}

/** Processor time of all threads, per request. */
function cpuMsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return Number(((user + system) / 1000 / count).toFixed(4));
}

async function ours(): Promise<object> {
  const [workDir, resumeDir] = [join(work, "work"), join(work, "resume")];
  await mkdir(workDir, { recursive: true });
  const memory = new MemoryWatch(count);
  const began = performance.now();
  const seconds = (): number => (performance.now() - began) / 1000;
  let asked: number | undefined;
  let cpuMs: number | undefined;
  const cpu = process.cpuUsage();
  const draft = await stage.run(
    stage.options.parse({ servers: [url], concurrency: inFlight }),
    { dialogues: { path: root, manifest: manifestOf(count) }, earlier: undefined },
    {
      step: "bench",
      events: {
        emit: (event) => {
          if (event.type !== "step-progress") return;
          memory.progress(event.done);
          if (event.done !== count) return;
          asked ??= seconds();
          cpuMs ??= cpuMsSince(cpu);
        },
      },
      signal: new AbortController().signal,
      workDir,
      resumeDir,
      limit: count,
    },
  );
  asked ??= seconds();
  const sizeOf = async (path: string): Promise<number> => Number(((await stat(path)).size / 2 ** 20).toFixed(1));
  return {
    rate: count / asked,
    cpuMs: cpuMs ?? cpuMsSince(cpu),
    /** Until every question has its answer, or, in a continuation, until it is known that none is left. */
    askedSeconds: Number(asked.toFixed(1)),
    seconds: Number(seconds().toFixed(1)),
    ...memory.report(),
    outputMiB: await sizeOf(join(workDir, "generations.jsonl")),
    journalMiB: await sizeOf(join(resumeDir, "journal.jsonl")),
    read: draft.counts.read,
    done: draft.counts.done ?? 0,
  };
}

console.log(JSON.stringify(mode === "stage" ? await ours() : await others(mode)));
