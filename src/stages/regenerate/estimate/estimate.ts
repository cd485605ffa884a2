/** Estimates the cost of a run from a sample of dialogues, without contacting a server. */
import { join } from "node:path";
import type { ImagePart } from "../../../dialogue/index.js";
import type { InputArtifact } from "../../stage.js";
import { scriptOf } from "../dialogues/script.js";
import type { RegenerateOptions } from "../options.js";
import { expectedLoad } from "../servers/server-list.js";
import { spreadSample } from "./spread-sample.js";

/** Rough: characters of a token in English and code, pixels of a merged vision token at patch 16 and merge 2. */
const CHARACTERS_PER_TOKEN = 4;
const PIXELS_PER_TOKEN = 32 * 32;
/** Role and end of a message, in tokens. */
const TOKENS_PER_MESSAGE = 5;
/** What a row, a message, a picture and a turn take in the output beside texts and ids, and an id with its comma. */
const ROW_BYTES = 180;
const MESSAGE_BYTES = 70;
const IMAGE_BYTES = 130;
const TURN_BYTES = 330;
const BYTES_PER_ID = 6;
/** Decoding in a busy server, tokens a second for each conversation in flight: an order of magnitude, no promise. */
const TOKENS_PER_SECOND = 30;

export async function estimate(
  options: RegenerateOptions,
  inputs: { dialogues?: InputArtifact | undefined },
): Promise<string[]> {
  const { inFlight, words: where } = await expectedLoad(options);
  const input = inputs.dialogues;
  if (input === undefined) return [where];
  const sample = await readSample(input.path, options);
  if (sample.dialogues === 0) return [where];
  const total = chosenOf(input.manifest.counts.kept ?? Math.round(sample.dialogues), options);
  const factor = total / sample.dialogues;
  const turns = Math.round(sample.turns * factor);
  const answerTokens = sample.answerTokens * factor;
  const hours = answerTokens / (TOKENS_PER_SECOND * inFlight) / 3600;
  return [
    where,
    `${total} dialogues, about ${turns} requests`,
    `about ${millions(sample.promptTokens * factor)} prompt tokens (images ${options.model === undefined ? "by a rough rule" : "by the model's rule"}) and ${millions(answerTokens)} answer tokens, if answers are as long as the recorded ones`,
    `about ${hours < 1 ? `${Math.ceil(hours * 60)} minutes` : `${hours.toFixed(1)} hours`} at ${TOKENS_PER_SECOND} tokens/s for each dialogue in flight`,
    `disk: about ${gigabytes(sample.outputBytes * factor)} for the output, and ${gigabytes((sample.outputBytes + sample.journalBytes) * factor)} for the journal until it is finished`,
  ];
}

/** As many as `sample` and `partition` leave. */
function chosenOf(kept: number, { sample, partition, onlyIds, onlyIdsFile }: RegenerateOptions): number {
  const listed = onlyIds.length > 0 && onlyIdsFile === undefined ? Math.min(kept, onlyIds.length) : kept;
  const sampled = sample === undefined ? listed : sample < 1 ? listed * sample : Math.min(listed, sample);
  return Math.round(sampled / Number(partition?.split("/")[1] ?? 1));
}

/** Weighted, so that ratios count. */
interface Sums {
  dialogues: number;
  turns: number;
  promptTokens: number;
  answerTokens: number;
  outputBytes: number;
  /** Of answers that are also written to the journal, because another question follows. */
  journalBytes: number;
}

async function readSample(root: string, options: RegenerateOptions): Promise<Sums> {
  const sums = { dialogues: 0, turns: 0, promptTokens: 0, answerTokens: 0, outputBytes: 0, journalBytes: 0 };
  const imageTokens = await imageRule(options.model);
  for await (const { dialogue, weight } of spreadSample(join(root, "dialogues.jsonl"))) {
    const one = { dialogues: 1, turns: 0, promptTokens: 0, answerTokens: 0, outputBytes: ROW_BYTES, journalBytes: 0 };
    const script = scriptOf(dialogue, options.systemPrompt);
    if ("steps" in script) addScript(one, script.steps, options, imageTokens);
    for (const name of Object.keys(sums) as (keyof Sums)[]) sums[name] += one[name] * weight;
  }
  return sums;
}

type ImageTokens = (image: ImagePart) => number;

/** The model's own rule where its directory is given and can be read; loaded only then. */
async function imageRule(directory: string | undefined): Promise<ImageTokens> {
  const rough: ImageTokens = ({ width, height }) => (width * height) / PIXELS_PER_TOKEN;
  if (directory === undefined) return rough;
  const [{ openModel }, { gridTokens, imageGrid }] = await Promise.all([
    import("../../../model/index.js"),
    import("../../../tokens/index.js"),
  ]);
  // A dry run does not require the files; the run itself does.
  const processor = await openModel(directory).then(
    (model) => model.processor,
    () => undefined,
  );
  if (processor === undefined) return rough;
  return (image) => {
    const grid = imageGrid(image, processor);
    return grid === null ? 0 : gridTokens(grid, processor.mergeSize);
  };
}

type Steps = Extract<ReturnType<typeof scriptOf>, { steps: unknown }>["steps"];

function addScript(sums: Sums, steps: Steps, options: RegenerateOptions, imageTokens: ImageTokens): void {
  let history = 0;
  let added = 0;
  let asked = 0;
  for (const [index, step] of steps.entries()) {
    const message = step.type === "say" ? step.message : step.source;
    let tokens = TOKENS_PER_MESSAGE;
    let bytes = MESSAGE_BYTES;
    for (const part of message?.content ?? []) {
      if (part.type === "text") {
        tokens += part.text.length / CHARACTERS_PER_TOKEN;
        bytes += Buffer.byteLength(part.text);
        // Ids of text are written one by one, those of an image are one run.
        added += (part.text.length / CHARACTERS_PER_TOKEN) * BYTES_PER_ID;
      } else if (part.type === "image") {
        // Videos are not asked about: scriptOf rejects their dialogues.
        tokens += imageTokens(part);
        bytes += IMAGE_BYTES;
      }
    }
    sums.outputBytes += bytes;
    if (step.type === "ask") {
      if (options.maxTurns !== undefined && asked >= options.maxTurns) return;
      asked += 1;
      const answer = Math.min(tokens, options.maxNewTokens);
      sums.turns += 1;
      sums.promptTokens += history;
      sums.answerTokens += answer;
      // The text is written in the message and in the turn.
      const turn = TURN_BYTES + added + bytes;
      sums.outputBytes += turn;
      if (index < steps.length - 1) sums.journalBytes += turn + bytes;
      added = 0;
    }
    history += tokens;
  }
}

function gigabytes(bytes: number): string {
  return bytes < 1e9 ? `${Math.max(1, Math.round(bytes / 1e6))} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

function millions(tokens: number): string {
  return tokens < 1e6 ? `${Math.round(tokens / 1e3)} thousand` : `${(tokens / 1e6).toFixed(1)} million`;
}
