/** Drawn dialogues answered by a real server through a gateway that logs, and that log imported. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type JsonValue, stringifyJson } from "../../../src/base/index.js";
import type { Generation, HistoryOption } from "../../../src/dialogue/index.js";
import { stage as demoStage } from "../../../src/stages/demo-data/index.js";
import { stage as importStage } from "../../../src/stages/import/index.js";
import { stage as validateStage } from "../../../src/stages/validate/index.js";
import { startRecordingProxy } from "../../sglang-client/recording-proxy.js";
import { runStage } from "../regenerate/harness.js";
import type { Workbench } from "../tokenize/workbench.js";

export interface LoggedRun {
  /** Of regenerate and of the log, without names and digests: a log knows neither recorded answers nor ids. */
  regenerated: JsonValue[];
  imported: JsonValue[];
  requests: number;
  /** Prompts of the log that were rendered again and are equal. */
  promptsEqual: number;
  /** Names of the fields with the ids in the server's responses. */
  idFields: string[];
}

export interface LoggedRunRequest {
  server: string;
  model: string;
  dialogues: number;
  history: HistoryOption;
}

export async function loggedRun(bench: Workbench, request: LoggedRunRequest): Promise<LoggedRun> {
  const { server, model, history } = request;
  const raw = await bench.run(demoStage, { dialogues: request.dialogues, seed: 29 }, {});
  const source = [join(raw.path, "dialogues.jsonl")];
  const resize = { resize: "fixed-point", model };
  const dialogues = await bench.run(importStage, { source, imageRoots: [raw.path], ...resize }, {});
  const proxy = await startRecordingProxy(server);
  try {
    // One dialogue after the other, so that the log's order tells which request belongs to which.
    const options = { servers: [proxy.url], model, history, concurrency: 1, maxNewTokens: 96 };
    const made = await runStage({ input: dialogues, options });
    const names = made.rows.flatMap(({ id, turns }) => turns.map(() => id));
    const log = join(bench.root, "production.jsonl");
    const lines = proxy.chats.map((chat, at) => stringifyJson({ id: `r${at}`, conversation: names[at], ...chat }));
    await writeFile(log, `${lines.join("\n")}\n`);
    const traffic = await bench.run(importStage, { source: [log], format: "log", model, log: { history } }, {});
    const text = await readFile(join(traffic.path, "generations.jsonl"), "utf8");
    const found = text.trimEnd().split("\n");
    const verdict = await bench.run(validateStage, { model, history }, { dialogues: traffic, generations: traffic });
    const choices = proxy.chats.flatMap(({ response }) => response.choices as Record<string, JsonValue>[]);
    return {
      regenerated: made.rows.map(spoken),
      imported: found.map((line) => spoken(JSON.parse(line) as Generation)),
      requests: proxy.chats.length,
      promptsEqual: Number(verdict.manifest.counts.promptsEqual),
      idFields: [...new Set(choices.flatMap((choice) => Object.keys(choice).filter((key) => key.endsWith("_ids"))))],
    };
  } finally {
    await proxy.close();
  }
}

function spoken({ id: _id, dialogueDigest: _digest, tags: _tags, ...rest }: Generation): JsonValue {
  return JSON.parse(JSON.stringify(rest)) as JsonValue;
}
