/** Small real stages and a small real service: pipelines of these show the mechanics within milliseconds. */
import { appendFile, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { DraftsmithError } from "../../src/base/index.js";
import type { StageRegistry } from "../../src/pipeline/index.js";
import type { ServiceRegistry } from "../../src/pipeline/services/index.js";
import { defineService } from "../../src/pipeline/services/index.js";
import { defineStage, type Stage } from "../../src/stages/stage.js";

/** Makes numbers, from a file of its own if one is named. */
const numbers = defineStage({
  name: "numbers",
  summary: "makes numbers",
  options: z.strictObject({
    count: z.number().int().positive().default(3).describe("how many numbers"),
    start: z.number().default(0).describe("the first one"),
    lanes: z.number().int().default(1).describe("changes nothing"),
    source: z.string().optional().describe("a file whose text comes first"),
    shape: z.enum(["plain", "padded"]).default("plain").describe("how they are written"),
  }),
  inputs: {},
  output: "raw",
  codeVersion: 1,
  fileOptions: { source: "file" },
  neutralOptions: ["lanes"],
  estimate: ({ count }) => ({ lines: [`about ${count} numbers`] }),
  run: async ({ count, start, source }, _inputs, { workDir, limit }) => {
    const head = source === undefined ? "" : await readFile(source, "utf8");
    const kept = Math.min(count, limit ?? count);
    const lines = Array.from({ length: kept }, (_, k) => `${start + k}\n`);
    await writeFile(join(workDir, "numbers.txt"), head + lines.join(""));
    return { counts: { read: count, kept, rejected: { "over-limit": count - kept } }, facts: { start } };
  },
});

/** Multiplies, slowly if asked, and goes on where an interrupted run stopped. */
const scale = defineStage({
  name: "scale",
  summary: "multiplies numbers",
  options: z.strictObject({
    factor: z.number().default(2).describe("what to multiply by"),
    pauseMs: z.number().default(0).describe("how long one number takes"),
    failAt: z.number().optional().describe("the number to fail at"),
    nested: z
      .strictObject({ depth: z.number().default(1).describe("a nested one") })
      .prefault({})
      .describe("a map"),
    tags: z.array(z.string()).default([]).describe("a list"),
  }),
  inputs: { numbers: { kind: "raw", description: "the numbers" } },
  output: "dialogues",
  codeVersion: 1,
  neutralOptions: ["pauseMs"],
  run: async ({ factor, pauseMs, failAt }, { numbers: input }, { workDir, resumeDir, events, signal, step }) => {
    const values = (await readFile(join(input!.path, "numbers.txt"), "utf8")).trim().split("\n").map(Number);
    const journal = join(resumeDir, "journal.txt");
    const before = await readFile(journal, "utf8").catch(() => "");
    const done = before.split("\n").filter((line) => line !== "").length;
    for (const [k, value] of values.entries()) {
      if (k < done) continue;
      if (signal.aborted) throw new DraftsmithError("INTERRUPTED", "scaling was stopped");
      if (value === failAt) throw new DraftsmithError("DATA_EMPTY", `cannot scale ${value}`, { hint: "take another" });
      if (pauseMs > 0) await sleep(pauseMs);
      await appendFile(journal, `${value * factor}\n`);
      events.emit({ type: "step-progress", step, done: k + 1, total: values.length, unit: "numbers" });
    }
    await writeFile(join(workDir, "scaled.txt"), await readFile(journal, "utf8"));
    // Part of the artifact only so that a test can see where a second run took up the work.
    return { counts: { read: values.length, kept: values.length }, facts: { factor } };
  },
});

const sum = defineStage({
  name: "sum",
  summary: "adds numbers",
  options: z.strictObject({
    label: z.string().default("sum"),
    file: z.string().optional(),
    all: z.array(z.string()).optional(),
  }),
  inputs: {
    scaled: { kind: ["dialogues", "rows"], description: "scaled numbers" },
    more: { kind: "raw", optional: true, description: "more" },
  },
  output: "evaluation",
  codeVersion: 1,
  fileOptions: { file: "any", all: "any" },
  run: async ({ label }, { scaled }, { workDir }) => {
    const values = (await readFile(join(scaled!.path, "scaled.txt"), "utf8")).trim().split("\n").map(Number);
    const total = values.reduce((all, value) => all + value, 0);
    await writeFile(join(workDir, "sum.txt"), `${total}\n`);
    return { counts: { kept: values.length }, facts: { summary: [{ label, value: String(total) }] } };
  },
});

/** Fetches a word from a service. */
const fetchWord = defineStage({
  name: "fetch-word",
  summary: "asks a server for its word",
  options: z.strictObject({ server: z.url().describe("who to ask"), dieAfterMs: z.number().optional() }),
  inputs: { after: { kind: ["raw", "dialogues", "rows"], optional: true, description: "what must come first" } },
  output: "rows",
  codeVersion: 1,
  run: async ({ server, dieAfterMs }, _inputs, { workDir, signal }) => {
    const word = await (await fetch(new URL("/word", server))).text();
    if (dieAfterMs !== undefined) {
      await fetch(new URL("/die", server)).catch(() => undefined);
      await sleep(dieAfterMs, undefined, { signal });
    }
    await writeFile(join(workDir, "scaled.txt"), `${word}\n`);
    return { counts: { kept: 1 }, facts: {} };
  },
});

const breaks = defineStage({
  name: "breaks",
  summary: "has a bug",
  options: z.strictObject({}),
  inputs: {},
  output: "raw",
  codeVersion: 1,
  run: async () => {
    throw new TypeError("undefined is not a number");
  },
});

const all: readonly Stage[] = [numbers, scale, sum, fetchWord, breaks];

export const smallStages: StageRegistry = {
  names: all.map(({ name }) => name),
  load: async (name) => all.find((stage) => stage.name === name)!,
};

/** The same stages with one of them at another code version. */
export function withCodeVersion(name: string, codeVersion: number): StageRegistry {
  return {
    names: smallStages.names,
    load: async (wanted) => {
      const stage = await smallStages.load(wanted);
      return wanted === name ? { ...stage, codeVersion } : stage;
    },
  };
}

/** Every start and stop of the word service, in order. */
export const serviceLog: string[] = [];

const word = defineService({
  name: "word",
  summary: "serves a word",
  options: z.strictObject({
    word: z.string().default("7"),
    file: z.string().optional(),
    broken: z.boolean().default(false),
    deathless: z.boolean().default(false),
  }),
  fileOptions: { file: "file" },
  properties: ["url"],
  describe: ({ word: text }) => `would serve ${text}`,
  start: async ({ word: text, broken, deathless }, { name }) => {
    if (broken) throw new DraftsmithError("SERVICE_FAILED", "the word did not come up");
    let die: (error: Error) => void = () => undefined;
    const died = new Promise<never>((_resolve, reject) => {
      die = reject;
    });
    died.catch(() => undefined);
    const server = createServer((request, response) => {
      response.end(text);
      if (request.url === "/die" && !deathless) die(new DraftsmithError("SERVICE_FAILED", "the word is gone"));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    serviceLog.push(`start ${name}`);
    return {
      properties: { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` },
      died,
      stop: async () => {
        serviceLog.push(`stop ${name}`);
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      },
    };
  },
});

export const smallServices: ServiceRegistry = { word };
