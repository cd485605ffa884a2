/**
 * `tsx bench-client.ts stage|bare URL ROOT COUNT IN_FLIGHT WORK`: one client in a process of its own; prints a JSON line.
 * `bare` assembles the same bodies from the same stored pictures, sends them and throws the answers away.
 */
import { mkdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { Pool } from "undici";
import { readJsonl } from "../../../src/artifacts/jsonl-reader.js";
import type { Dialogue } from "../../../src/dialogue/index.js";
import { DIALECTS, encodeChat } from "../../../src/sglang/index.js";
import { stage } from "../../../src/stages/regenerate/index.js";
import { MemoryWatch } from "./bench-memory.js";
import { manifestOf } from "./harness.js";

const [mode, url, root, countText, inFlightText, work] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
  string,
];
const [count, inFlight] = [Number(countText), Number(inFlightText)];

async function bare(): Promise<object> {
  const pool = new Pool(url, { connections: inFlight, headersTimeout: 0, bodyTimeout: 0 });
  const rows = readJsonl(join(root, "dialogues.jsonl"));
  const began = performance.now();
  let left = count;
  const lane = async (): Promise<void> => {
    while (left-- > 0) {
      const { value } = (await rows.next()).value as { value: unknown };
      const content = [];
      for (const part of (value as Dialogue).messages[0]!.content) {
        if (part.type === "text") content.push(part);
        else if (part.type === "image") {
          const png = await readFile(join(root, "images", part.hash.slice(0, 2), `${part.hash}.png`));
          content.push({ type: "image" as const, image: { base64: Buffer.from(png.toString("base64"), "latin1") } });
        }
      }
      const question = { model: "stub", messages: [{ role: "user" as const, content }], maxTokens: 2048 };
      const body = encodeChat(question, DIALECTS.sglang);
      const answer = await pool.request({ method: "POST", path: "/v1/chat/completions", body });
      await answer.body.dump();
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  await pool.close();
  return { rate: count / ((performance.now() - began) / 1000) };
}

async function ours(): Promise<object> {
  const [workDir, resumeDir] = [join(work, "work"), join(work, "resume")];
  await mkdir(workDir, { recursive: true });
  const memory = new MemoryWatch(count);
  const began = performance.now();
  const seconds = (): number => (performance.now() - began) / 1000;
  let asked: number | undefined;
  const draft = await stage.run(
    stage.options.parse({ servers: [url], concurrency: inFlight }),
    { dialogues: { path: root, manifest: manifestOf(count) }, earlier: undefined },
    {
      step: "bench",
      events: {
        emit: (event) => {
          if (event.type !== "step-progress") return;
          memory.progress(event.done);
          if (event.done === count) asked ??= seconds();
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

console.log(JSON.stringify(mode === "bare" ? await bare() : await ours()));
