/** What a run would cost, guessed from the first dialogues without asking any server. */
import { join } from "node:path";
import { readJsonl } from "../../artifacts/jsonl-reader.js";
import { dialogueSchema } from "../../dialogue/index.js";
import type { InputArtifact } from "../stage.js";
import type { RegenerateOptions } from "./options.js";
import { scriptOf } from "./script.js";

const SAMPLE = 200;
/** Rough: characters of a token in English and code, pixels of a merged vision token at patch 16 and merge 2. */
const CHARACTERS_PER_TOKEN = 4;
const PIXELS_PER_TOKEN = 32 * 32;
/** Decoding in a busy server, tokens a second for each conversation in flight: an order of magnitude, no promise. */
const TOKENS_PER_SECOND = 30;

export async function estimate(
  options: RegenerateOptions,
  inputs: Record<"dialogues", InputArtifact | undefined>,
): Promise<string[]> {
  const inFlight = options.concurrency * options.servers.length;
  const where = `${options.servers.length} server(s), ${inFlight} dialogues in flight`;
  const input = inputs.dialogues;
  if (input === undefined) return [where];
  const sample = await readSample(input.path, options);
  if (sample.dialogues === 0) return [where];
  const total = input.manifest.counts.kept ?? sample.dialogues;
  const factor = total / sample.dialogues;
  const turns = Math.round(sample.turns * factor);
  const answerTokens = sample.answerTokens * factor;
  const hours = answerTokens / (TOKENS_PER_SECOND * inFlight) / 3600;
  return [
    where,
    `${total} dialogues, about ${turns} requests`,
    `about ${millions(sample.promptTokens * factor)} prompt tokens (images included) and ${millions(answerTokens)} answer tokens, if answers are as long as the recorded ones`,
    `about ${hours < 1 ? `${Math.ceil(hours * 60)} minutes` : `${hours.toFixed(1)} hours`} at ${TOKENS_PER_SECOND} tokens/s for each dialogue in flight`,
  ];
}

async function readSample(root: string, options: RegenerateOptions) {
  const sums = { dialogues: 0, turns: 0, promptTokens: 0, answerTokens: 0 };
  for await (const { value } of readJsonl(join(root, "dialogues.jsonl"))) {
    const parsed = dialogueSchema.safeParse(value);
    if (!parsed.success) continue;
    sums.dialogues += 1;
    const script = scriptOf(parsed.data, options.systemPrompt);
    if ("steps" in script) addScript(sums, script.steps, options);
    if (sums.dialogues >= SAMPLE) break;
  }
  return sums;
}

type Steps = Extract<ReturnType<typeof scriptOf>, { steps: unknown }>["steps"];

function addScript(
  sums: { turns: number; promptTokens: number; answerTokens: number },
  steps: Steps,
  options: RegenerateOptions,
): void {
  let history = 0;
  for (const step of steps) {
    const message = step.type === "say" ? step.message : step.source;
    let tokens = 0;
    for (const part of message?.content ?? []) {
      tokens +=
        part.type === "text" ? part.text.length / CHARACTERS_PER_TOKEN : (part.width * part.height) / PIXELS_PER_TOKEN;
    }
    if (step.type === "ask") {
      sums.turns += 1;
      sums.promptTokens += history;
      sums.answerTokens += Math.min(tokens, options.maxNewTokens);
    }
    history += tokens;
  }
}

function millions(tokens: number): string {
  return tokens < 1e6 ? `${Math.round(tokens / 1e3)} thousand` : `${(tokens / 1e6).toFixed(1)} million`;
}
