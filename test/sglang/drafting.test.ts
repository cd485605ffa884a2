/** How SGLang counts accepted drafts, and that drafting does not change a greedy answer: what the offline figures rely on. */
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { startServer } from "../../src/trainer-process/index.js";
import { contractSuite } from "../contract/suite.js";
import { scratchDirectory } from "../scratch/scratch.js";
import { writeIdleDraft } from "./idle-draft.js";
import { type RealServer, startRealServer } from "./real-server.js";
import { MODEL } from "./target.js";

const BLOCK = 8;
const MAX_TOKENS = 64;

interface Meta {
  completion_tokens: number;
  spec_verify_ct?: number;
  spec_num_correct_drafts?: number;
  spec_num_proposed_drafts?: number;
  spec_accept_length?: number;
  spec_correct_drafts_histogram?: number[];
}
interface Choice {
  response_token_ids: number[];
  prompt_token_ids: number[];
  finish_reason: string;
  meta_info: Meta;
}

let directory: string;
let server: RealServer | undefined;
let plain: Choice[];
let drafted: Choice[];
let shortest: Choice;
let byReference: Choice[];

beforeAll(async () => {
  directory = scratchDirectory("sglang");
  const draft = join(directory, "draft");
  await writeIdleDraft(draft, MODEL, await endOfTurn(), BLOCK);
  const prompts = await conversations();
  plain = await askAll(inject("plainServer"), prompts);
  server = await startRealServer({ model: MODEL, draft });
  drafted = await askAll(server.url, prompts);
  shortest = await ask(server.url, prompts[0], 1);
  const reference = await startServer({ model: MODEL, draft });
  try {
    byReference = await askAll(reference.url, prompts);
  } finally {
    await reference.stop();
  }
});
afterAll(async () => {
  await server?.stop();
  await rm(directory, { recursive: true, force: true });
});

contractSuite({
  name: "the real SGLang with a draft",
  modelDir: MODEL,
  features: { strict: false, draft: true },
  start: async () => ({ url: server!.url, stop: () => Promise.resolve() }),
});

test("a draft does not change greedy answers, with text, images and several turns", () => {
  expect(drafted.map((choice) => choice.prompt_token_ids)).toEqual(plain.map((choice) => choice.prompt_token_ids));
  expect(drafted.map((choice) => choice.response_token_ids)).toEqual(plain.map((choice) => choice.response_token_ids));
});

test("the first token comes from the prompt, every step proposes a block less one", () => {
  for (const { meta_info: meta } of drafted) {
    expect(meta.spec_num_proposed_drafts).toBe(steps(meta) * (BLOCK - 1));
    expect(meta.spec_accept_length).toBeCloseTo(meta.completion_tokens / steps(meta), 9);
  }
});

test("the histogram counts steps by their correct drafts", () => {
  for (const { meta_info: meta } of drafted) {
    const histogram = meta.spec_correct_drafts_histogram ?? [];
    expect(histogram.reduce((sum, count) => sum + count, 0)).toBe(steps(meta));
    expect(histogram.reduce((sum, count, correct) => sum + count * correct, 0)).toBe(meta.spec_num_correct_drafts);
  }
});

test("the last step counts in full, also what lies behind the end of the answer", () => {
  for (const { meta_info: meta } of drafted) {
    const untrimmed = 1 + steps(meta) + (meta.spec_num_correct_drafts ?? 0);
    expect(untrimmed).toBeGreaterThanOrEqual(meta.completion_tokens);
    expect(untrimmed - meta.completion_tokens).toBeLessThan(BLOCK);
  }
  // The draft only ever says the end of the turn: it is right in the last step and nowhere else.
  for (const { meta_info: meta } of drafted.filter((choice) => choice.finish_reason === "stop")) {
    expect(steps(meta)).toBe(meta.completion_tokens - 1);
    expect(meta.spec_num_correct_drafts).toBeGreaterThanOrEqual(1);
  }
});

test("the reference server counts all of it in the same way", () => {
  expect(byReference.map(countsOf)).toEqual(drafted.map(countsOf));
  expect(byReference.map((choice) => choice.response_token_ids)).toEqual(
    drafted.map((choice) => choice.response_token_ids),
  );
});

test("an answer without a step carries no counts", () => {
  expect(shortest.meta_info.completion_tokens).toBe(1);
  expect(Object.keys(shortest.meta_info).filter((key) => key.startsWith("spec_"))).toEqual([]);
});

/** Everything that is reported of drafting, under whatever name. */
function countsOf({ meta_info: meta }: Choice): Record<string, unknown> {
  return Object.fromEntries(Object.entries(meta).filter(([key]) => key.startsWith("spec_")));
}

function steps(meta: Meta): number {
  return meta.spec_verify_ct ?? 0;
}

async function askAll(url: string, prompts: unknown[]): Promise<Choice[]> {
  const choices: Choice[] = [];
  for (const messages of prompts) choices.push(await ask(url, messages, MAX_TOKENS));
  return choices;
}

async function ask(url: string, messages: unknown, maxTokens: number): Promise<Choice> {
  const answer = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      messages,
      max_tokens: maxTokens,
      temperature: 0,
      repetition_penalty: 1,
      return_prompt_token_ids: true,
      return_token_ids: true,
      return_meta_info: true,
    }),
  });
  const body = (await answer.json()) as { choices: Choice[] };
  expect(answer.status, JSON.stringify(body)).toBe(200);
  return body.choices[0] as Choice;
}

async function conversations(): Promise<unknown[]> {
  const instruction = { type: "text", text: "Click the red button." };
  const system = { role: "system", content: "You operate a graphical interface." };
  const first = { role: "user", content: [await screenshot(320, 192, "#c02020"), instruction] };
  const answer = { role: "assistant", content: "I click the red button." };
  const second = { role: "user", content: [await screenshot(256, 256, "#2020c0"), instruction] };
  return [
    [system, { role: "user", content: "What can you do?" }],
    [first],
    [system, first],
    [system, first, answer, second],
  ];
}

async function screenshot(width: number, height: number, colour: string): Promise<unknown> {
  const widget = await sharp({ create: { width: 96, height: 32, channels: 3, background: colour } })
    .png()
    .toBuffer();
  const screen = await sharp({ create: { width, height, channels: 3, background: "#f0f0f0" } })
    .composite([{ input: widget, left: 64, top: 48 }])
    .png()
    .toBuffer();
  return { type: "image_url", image_url: { url: `data:image/png;base64,${screen.toString("base64")}` } };
}

async function endOfTurn(): Promise<number> {
  const config = JSON.parse(await readFile(join(MODEL, "config.json"), "utf8"));
  return config.text_config.eos_token_id;
}
