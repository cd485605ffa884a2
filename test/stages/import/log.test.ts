/**
 * A log of production becomes the generations that regenerate made of the same answers, and everything else in it a
 * rejection with its reason.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isJsonObject, type JsonObject, type JsonValue, sha256, stringifyJson } from "../../../src/base/index.js";
import {
  type Dialogue,
  foldIds,
  type Generation,
  type HistoryOption,
  type Message,
} from "../../../src/dialogue/index.js";
import { canonicalise, DEFAULT_LIMITS } from "../../../src/images/index.js";
import { stage as importStage } from "../../../src/stages/import/index.js";
import { stage as shardStage } from "../../../src/stages/shard/index.js";
import type { InputArtifact } from "../../../src/stages/stage.js";
import { stage as tokenizeStage } from "../../../src/stages/tokenize/index.js";
import { stage as validateStage } from "../../../src/stages/validate/index.js";
import { agentDialogues, CALL, CALL_MARK, histories } from "../../dialogue/history-arbitraries.js";
import { directoryModel } from "../../sglang-client/directory-model.js";
import { type LoggedChat, type RecordingProxy, startRecordingProxy } from "../../sglang-client/recording-proxy.js";
import { type Stub, startStub } from "../../sglang-client/stub-server.js";
import { TINY_GUI } from "../../tokens/reference.js";
import { type Picture, runStage, temporaryDirectory, writeArtifact } from "../regenerate/harness.js";
import { text, Workbench } from "../tokenize/workbench.js";
import { picture } from "./world.js";

let bench: Workbench;
let stub: Stub;
let proxy: RecordingProxy;
let screens: Picture[];

beforeAll(async () => {
  bench = await Workbench.open();
  stub = await startStub({ model: await directoryModel(TINY_GUI) });
  proxy = await startRecordingProxy(stub.url);
  screens = await Promise.all(Array.from({ length: 4 }, (_, k) => screen(k)));
});
afterAll(async () => {
  await proxy.close();
  await stub.close();
  await bench.close();
});

async function screen(k: number): Promise<Picture> {
  const path = join(bench.root, `screen-${k}.png`);
  await picture(path, k, 96 + 32 * k, 64);
  const image = await canonicalise(await readFile(path), { limits: DEFAULT_LIMITS, flattenColour: "#ffffff" });
  if (!image.ok) throw new Error(image.message);
  return image;
}

/** One to four turns with a screen in every question, some under a system prompt. */
function asked(k: number): Dialogue {
  const messages: Message[] = k % 2 === 0 ? [{ role: "system", content: [text("You act.")] }] : [];
  for (let turn = 0; turn <= k % 4; turn += 1) {
    const { hash, width, height } = screens[(k + turn) % screens.length]!;
    const shown: Message["content"] = [{ type: "image", hash, width, height }];
    messages.push({ role: "user", content: turn === 0 ? [text(`Task ${k}.`), ...shown] : shown });
    messages.push({ role: "assistant", content: [text("recorded")] });
  }
  return { id: `d${k}`, source: { file: "x", line: k + 1 }, messages };
}

/** Answers of the stub to these dialogues, and what a gateway logged meanwhile. */
async function answered(
  history: HistoryOption,
  dialogues = Array.from({ length: 8 }, (_, k) => asked(k)),
): Promise<{ rows: Generation[]; chats: LoggedChat[] }> {
  const root = await temporaryDirectory();
  const input = await writeArtifact(root, dialogues, screens);
  proxy.chats.length = 0;
  const options = { servers: [proxy.url], model: TINY_GUI, history, concurrency: 1 };
  const { rows } = await runStage({ input, options });
  return { rows, chats: [...proxy.chats] };
}

async function imported(rows: readonly JsonValue[], log: object = {}, more: object = {}) {
  const source = join(bench.root, `log-${Math.random().toString(36).slice(2)}.jsonl`);
  await writeFile(source, rows.map((row) => `${typeof row === "string" ? row : stringifyJson(row)}\n`).join(""));
  const options = { source: [source], format: "log", model: TINY_GUI, maxRejectedShare: 1, log, ...more };
  const artifact = await bench.run(importStage, options, {});
  const lines = async (name: string) =>
    (await readFile(join(artifact.path, name), "utf8"))
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line));
  return {
    artifact,
    generations: (await lines("generations.jsonl")) as Generation[],
    dialogues: (await lines("dialogues.jsonl")) as Dialogue[],
    rejected: (await lines("rejected.jsonl")) as { reason: string; message: string }[],
  };
}

/** A generation without its name and the recorded answers that its digest stands for: a log knows neither. */
const spoken = ({ id: _id, dialogueDigest: _digest, ...rest }: Generation): JsonValue =>
  JSON.parse(JSON.stringify(rest));

/** One name for all requests of a dialogue, as they came: one dialogue after the other. */
function named(chats: readonly LoggedChat[], rows: readonly Generation[]): JsonObject[] {
  const names = rows.flatMap(({ id, turns }) => turns.map(() => id));
  return chats.map(({ request, response }, at) => ({ id: `r${at}`, conversation: names[at]!, request, response }));
}

describe("a log of what regenerate asked", () => {
  it.each<HistoryOption>([
    "all",
    { lastTurns: 1 },
    { lastTurns: 0, keepFirst: true },
    { lastImages: 2 },
    { lastImages: 1, replacement: "(seen)" },
  ])("under %j gives the same generations, and rows that the checks accept", async (history) => {
    const { rows, chats } = await answered(history);
    const { artifact, generations, dialogues } = await imported(named(chats, rows), { history });
    expect(generations.map(spoken)).toEqual(rows.map(spoken));
    expect(generations.map(({ id }) => id)).toEqual(rows.map(({ id }) => id));
    expect(artifact.manifest.counts).toMatchObject({
      unit: "requests",
      read: chats.length,
      kept: chats.length,
      dialogues: rows.length,
      turns: chats.length,
    });
    expect(dialogues.map(({ messages }) => messages)).toEqual(generations.map(({ messages }) => messages));

    const traffic: InputArtifact = { ...artifact, manifest: { ...artifact.manifest, kind: "traffic" } };
    const made = await bench.run(tokenizeStage, { model: TINY_GUI }, { generations: traffic });
    expect(made.manifest.counts).toMatchObject({ kept: chats.length, rejected: {} });
    const shards = await bench.run(shardStage, { heldoutShare: 0 }, { rows: made, dialogues: traffic });
    const inputs = { dialogues: traffic, generations: traffic, rows: made, shards };
    const verdict = await bench.run(validateStage, { model: TINY_GUI, history }, inputs);
    expect(verdict.manifest.counts).toMatchObject({ promptsCompared: chats.length, promptsEqual: chats.length });
  });

  it("of random dialogues with calls and windows of any size gives the same, too", async () => {
    const shown = screens.map(({ hash, width, height }) => ({ hash, width, height }));
    stub.options.answer = (body) => {
      const last = JSON.stringify((body.messages as JsonObject[]).at(-1));
      const words = `It is ${sha256(JSON.stringify(body.messages)).slice(0, 6)}.`;
      return last.includes(CALL_MARK) ? `${words}\n<tool_call>\n${JSON.stringify(CALL)}\n</tool_call>` : words;
    };
    try {
      await fc.assert(
        fc.asyncProperty(
          fc.array(agentDialogues(shown), { minLength: 2, maxLength: 3 }),
          histories,
          async (each, history) => {
            const dialogues = each.map(({ messages }, k) => ({ ...asked(k), messages }));
            const { rows, chats } = await answered(history, dialogues);
            const { generations } = await imported(named(chats, rows), { history });
            // Requests join texts, and never show an image of a question that its own window leaves out.
            expect(generations.map(({ turns }) => turns)).toEqual(rows.map(({ turns }) => turns));
          },
        ),
        { numRuns: 4 },
      );
    } finally {
      delete stub.options.answer;
    }
  });

  it("finds by itself which requests continue which, where nothing is left out", async () => {
    const { rows, chats } = await answered("all");
    const shuffled = [...chats].sort((a, b) => lengthOf(a) - lengthOf(b));
    const { generations } = await imported(shuffled.map(({ request, response }) => ({ request, response })));
    const texts = (each: readonly Generation[]): string[] => each.map((one) => JSON.stringify(spoken(one))).sort();
    expect(texts(generations)).toEqual(texts(rows));
  });

  it("may hold ids beside messages, with runs folded", async () => {
    const { rows, chats } = await answered("all");
    const flat = named(chats, rows).map(({ conversation, request, response }) => {
      const [choice] = (response as JsonObject).choices as JsonObject[];
      const { messages } = request as JsonObject;
      return {
        conversation: conversation!,
        messages: messages!,
        answer: choice!.message!,
        prompt_ids: foldIds(choice!.prompt_token_ids as number[]),
        response_ids: choice!.response_token_ids!,
        finish_reason: choice!.finish_reason!,
        matched_stop: choice!.matched_stop!,
        temperature: 0,
      };
    });
    const { generations } = await imported(flat);
    expect(generations.map(spoken)).toEqual(rows.map(spoken));
  });

  it("without names gives each windowed request a dialogue of its own, with the prompt that it had", async () => {
    const { rows, chats } = await answered({ lastTurns: 1 });
    const { artifact, generations } = await imported(
      chats.map(({ request, response }) => ({ request, response })),
      { history: { lastTurns: 1 } },
    );
    const turns = rows.reduce((sum, row) => sum + row.turns.length, 0);
    expect(generations.reduce((sum, { turns: own }) => sum + own.length, 0)).toBe(turns);
    expect(generations.length).toBeGreaterThan(rows.length);
    const verdict = await bench.run(validateStage, { model: TINY_GUI }, { generations: artifact });
    expect(verdict.manifest.counts).toMatchObject({ promptsCompared: turns, promptsEqual: turns });
  });
});

const lengthOf = ({ request }: LoggedChat): number => (request.messages as JsonValue[]).length;

describe("a row that cannot be taken", () => {
  let good: JsonObject;
  beforeAll(async () => {
    const { chats } = await answered("all");
    const { request, response } = chats.find((chat) => lengthOf(chat) >= 4)!;
    good = { id: "r", request, response };
  });

  /** The row with a change somewhere in its copy. */
  function spoilt(
    change: (row: { request: JsonObject; response: JsonObject; choice: JsonObject }) => void,
  ): JsonObject {
    const row = structuredClone(good);
    const [request, response] = [row.request, row.response].filter(isJsonObject) as [JsonObject, JsonObject];
    change({ request, response, choice: (response.choices as JsonObject[])[0]! });
    return row;
  }

  it.each<[string, () => JsonValue, object?]>([
    ["json-invalid", () => "{"],
    ["log-form", () => ({ id: "r", text: "hello" })],
    [
      "log-form",
      () => ({ event: "request.finished", rid: "1", obj: { text: "<|im_start|>" }, out: { output_ids: [1] } }),
    ],
    ["log-form", () => ({ request: {}, response: {} })],
    ["not-greedy", () => spoilt(({ request }) => Object.assign(request, { temperature: 0.7 }))],
    ["not-greedy", () => spoilt(({ request }) => void delete request.temperature)],
    [
      "template-arguments-differ",
      () => spoilt(({ request }) => Object.assign(request, { chat_template_kwargs: { enable_thinking: false } })),
    ],
    ["template-arguments-differ", () => good, { thinking: "on" }],
    ["history-differs", () => good, { history: { lastTurns: 0 } }],
    [
      "prompt-differs",
      () => spoilt(({ request }) => Object.assign((request.messages as JsonObject[])[0]!, { content: "Other." })),
    ],
    ["ids-missing", () => spoilt(({ choice }) => void delete choice.response_token_ids)],
    ["ids-missing", () => spoilt(({ choice }) => Object.assign(choice, { prompt_token_ids: [] }))],
    ["ids-invalid", () => spoilt(({ choice }) => Object.assign(choice, { prompt_token_ids: ["x"] }))],
    ["ids-count", () => spoilt(({ response }) => Object.assign(response.usage as JsonObject, { prompt_tokens: 1 }))],
    ["stop-mismatch", () => spoilt(({ choice }) => Object.assign(choice, { matched_stop: 7 }))],
    ["answer-aborted", () => spoilt(({ choice }) => Object.assign(choice, { finish_reason: "abort" }))],
    ["answer-malformed", () => spoilt(({ response }) => Object.assign(response, { choices: [] }))],
    [
      "image-count",
      () =>
        spoilt(({ request }) => Object.assign((request.messages as JsonObject[]).at(-1)!, { content: "No screen." })),
    ],
    [
      "role-unknown",
      () => spoilt(({ request }) => Object.assign((request.messages as JsonObject[])[0]!, { role: "nobody" })),
    ],
  ])("%s", async (reason, row, log) => {
    const { rejected, artifact } = await imported([{ ...good, id: "kept" }, row()], log === undefined ? {} : log).catch(
      (error: unknown) => {
        // Where the declaration is what is wrong, every row is.
        expect(log).toBeDefined();
        expect(String(error)).toContain("all 2 rows were rejected");
        return { rejected: [{ reason, message: (error as { frame?: string }).frame ?? "" }], artifact: undefined };
      },
    );
    expect(rejected).toHaveLength(1);
    expect(rejected[0]).toMatchObject({ reason });
    if (artifact !== undefined) expect(artifact.manifest.counts.rejected).toEqual({ [reason]: 1 });
    else expect(rejected[0]!.message).toContain(`${reason}: 2`);
  });

  it("twice logged is taken once, and an answer to the same question is another dialogue", async () => {
    const again = structuredClone(good);
    const { generations, rejected } = await imported([good, again, { ...again, id: "s" }]);
    expect(rejected).toMatchObject([{ reason: "id-duplicate" }]);
    expect(generations.map(({ id }) => id)).toEqual(["r", "s"]);
    const kept = await imported([spoilt(({ request }) => Object.assign(request, { temperature: 1 }))], {
      sampled: "keep",
    });
    expect(kept.generations).toHaveLength(1);
  });

  it("is not the log's fault where the options do not fit it", async () => {
    const wrong = (options: object) => importStage.options.safeParse({ source: ["x"], format: "log", ...options });
    expect(JSON.stringify(wrong({}).error?.issues)).toContain("prompts are rendered again");
    expect(JSON.stringify(wrong({ model: "m", specialText: "escape" }).error?.issues)).toContain("no effect on a log");
    expect(wrong({ model: "m" }).success).toBe(true);
  });
});
