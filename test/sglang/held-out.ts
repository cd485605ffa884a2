/** Held-out responses asked once more from a server with the draft, next to what the offline walk says of them. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { readPictures, type ServedPrompt, selectPrompts } from "../../src/stages/evaluate/served-prompts.js";

const answerSchema = z.looseObject({
  output_ids: z.array(z.number()),
  meta_info: z.looseObject({
    completion_tokens: z.number(),
    spec_verify_ct: z.number().default(0),
    spec_num_correct_drafts: z.number().default(0),
  }),
});
const walkSchema = z.looseObject({
  draft: z.string(),
  dialogueId: z.string(),
  turn: z.number(),
  accepted: z.array(z.number()),
});

export interface HeldOut {
  name: string;
  expected: number[];
  got: number[];
  /** Verification steps and the drafts accepted in them, as the server counts. */
  steps: number;
  correct: number;
  /** Without the drafts accepted behind the end of the answer, which the server counts and an answer does not show. */
  correctInside: number;
  /** Drafts accepted in each step, by the offline walk. */
  offline: number[];
}

export interface HeldOutRequest {
  url: string;
  shards: string;
  /** Directory of an evaluation of the same draft and shards. */
  evaluation: string;
  imagePadId: number;
}

/** Every response, to its own end. */
export async function askHeldOut(request: HeldOutRequest): Promise<HeldOut[]> {
  const answers: HeldOut[] = [];
  for (const { prompt, images, name, offline } of await readQuestions(request)) {
    const { output_ids: got, meta_info: meta } = await ask(request.url, prompt, images, {
      max_new_tokens: prompt.expected.length + 20,
    });
    const [steps, correct] = [meta.spec_verify_ct, meta.spec_num_correct_drafts];
    // Each step adds its drafts and one token of the target's. Was the last token a draft, the one after it is cut off,
    // and so are the drafts behind it.
    const cutOff = 1 + steps + correct - meta.completion_tokens;
    const correctInside = correct - Math.max(0, cutOff - 1);
    answers.push({ name, expected: [...prompt.expected], got, steps, correct, correctInside, offline });
  }
  return answers;
}

export interface Cut {
  name: string;
  /** What ends the answer behind the first draft of a step that has more right ones. */
  by: "length" | "stop id";
  got: number[];
  expected: number[];
  steps: number;
  correct: number;
  /** Drafts accepted by the offline walk up to and with that step, in full. */
  offline: number[];
}

/** Some responses, ended in the middle of a step. */
export async function askCut(request: HeldOutRequest, limit: number): Promise<Cut[]> {
  const cuts: Cut[] = [];
  for (const { prompt, images, name, offline } of await readQuestions(request)) {
    if (cuts.length >= limit) break;
    const step = offline.slice(0, -1).findIndex((accepted) => accepted >= 3);
    if (step < 0) continue;
    // The first token comes from the prompt, each step adds its drafts and one more.
    const before = 1 + offline.slice(0, step).reduce((sum, accepted) => sum + accepted + 1, 0);
    const expected = [...prompt.expected.slice(0, before + 1)];
    const last = expected[before]!;
    const ends: [Cut["by"], Record<string, unknown>][] = [["length", { max_new_tokens: before + 1 }]];
    if (expected.indexOf(last) === before)
      ends.push(["stop id", { max_new_tokens: before + 30, stop_token_ids: [last] }]);
    for (const [by, sampling] of ends) {
      const { output_ids: got, meta_info: meta } = await ask(request.url, prompt, images, sampling);
      const [steps, correct] = [meta.spec_verify_ct, meta.spec_num_correct_drafts];
      cuts.push({ name, by, got, expected, steps, correct, offline: offline.slice(0, step + 1) });
    }
  }
  return cuts;
}

interface Question {
  name: string;
  prompt: ServedPrompt;
  /** Base64, in prompt order. */
  images: (string | undefined)[];
  offline: number[];
}

async function readQuestions({ shards, evaluation, imagePadId }: HeldOutRequest): Promise<Question[]> {
  const { prompts } = await selectPrompts({ shards, split: "heldout", imagePadId, limit: null });
  const pictures = await readPictures(shards, prompts);
  const walks = await readWalks(evaluation);
  return prompts.map((prompt) => {
    const name = nameOf(prompt.dialogueId, prompt.turn);
    const offline = walks.get(name);
    if (offline === undefined) throw new Error(`the offline walk has no ${name}`);
    return {
      name,
      prompt,
      images: prompt.imageHashes.map((hash) => pictures.get(hash)?.base64.toString("latin1")),
      offline,
    };
  });
}

async function ask(
  url: string,
  prompt: ServedPrompt,
  images: (string | undefined)[],
  sampling: Record<string, unknown>,
): Promise<z.infer<typeof answerSchema>> {
  const answer = await fetch(`${url}/generate`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      input_ids: prompt.inputIds,
      ...(images.length === 0 ? {} : { image_data: images }),
      sampling_params: { temperature: 0, repetition_penalty: 1, ...sampling },
    }),
  });
  if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
  return answerSchema.parse(await answer.json());
}

async function readWalks(evaluation: string): Promise<Map<string, number[]>> {
  const lines = (await readFile(join(evaluation, "steps.jsonl"), "utf8")).trim().split("\n");
  const walks = lines.map((line) => walkSchema.parse(JSON.parse(line))).filter(({ draft }) => draft === "trained");
  return new Map(walks.map(({ dialogueId, turn, accepted }) => [nameOf(dialogueId, turn), accepted]));
}

function nameOf(dialogueId: string, turn: number): string {
  return `${dialogueId}, turn ${turn}`;
}
