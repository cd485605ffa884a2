/** Estimates the cost of a run from a sample of dialogues, without contacting a server. */
import { join } from "node:path";
import { type HistoryOption, type ImagePart, type Message, promptMessages } from "../../../dialogue/index.js";
import { formatBytes, formatHours } from "../../../events/index.js";
import { dialoguesIn, type Estimate, type Expected, type InputArtifact } from "../../stage.js";
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

/** Without dialogues yet, what a pipeline expects of them stands in. */
export async function estimate(
  options: RegenerateOptions,
  inputs: { dialogues?: InputArtifact | undefined },
  limit?: number,
  expected: Expected = {},
): Promise<Estimate> {
  const load = await expectedLoad(options);
  const input = inputs.dialogues;
  const found = input === undefined ? expectedSums(expected) : await measuredSums(input, options);
  if (found === undefined) return { lines: [load.words] };
  const { dialogues, basis, images } = found;
  const total = chosenOf(Math.min(dialogues, limit ?? Infinity), options);
  const factor = total / found.sums.dialogues;
  const { turns, promptTokens, answerTokens, outputBytes, journalBytes } = found.sums;
  const rate = rateOf(expected, load.inFlight);
  const hours = (answerTokens * factor) / rate.tokensPerSecond / 3600;
  const output = outputBytes * factor;
  const journal = (outputBytes + journalBytes) * factor;
  return {
    lines: [
      load.words,
      `${total} dialogues, about ${Math.round(turns * factor)} requests`,
      `about ${millions(promptTokens * factor)} prompt tokens (images ${images}) and ${millions(answerTokens * factor)} answer tokens, ${basis}`,
      `about ${formatHours(hours)} at ${rate.words}`,
      `disk: about ${formatBytes(output)} for the output, and ${formatBytes(journal)} for the journal until it is finished`,
    ],
    hours,
    diskBytes: output + journal,
  };
}

interface Found {
  dialogues: number;
  /** Weighted; `dialogues` of them represent all. */
  sums: Sums;
  /** What the figures rest on, for people. */
  basis: string;
  images: string;
}

async function measuredSums(input: InputArtifact, options: RegenerateOptions): Promise<Found | undefined> {
  const sums = await readSample(input.path, options);
  if (sums.dialogues === 0) return undefined;
  return {
    dialogues: dialoguesIn(input) ?? Math.round(sums.dialogues),
    sums,
    basis: "if answers are as long as the recorded ones",
    images: options.model === undefined ? "by a rough rule" : "by the model's rule",
  };
}

function expectedSums({ dialogues, turns, promptTokens, answerTokens }: Expected): Found | undefined {
  if (dialogues === undefined || turns === undefined || promptTokens === undefined || answerTokens === undefined)
    return undefined;
  // A later prompt repeats the one before: what it adds is about one answer and one question.
  const ids = turns * 2 * answerTokens * BYTES_PER_ID;
  const outputBytes = ROW_BYTES + turns * (TURN_BYTES + 2 * MESSAGE_BYTES + IMAGE_BYTES) + ids;
  return {
    dialogues,
    sums: {
      dialogues: 1,
      turns,
      promptTokens: turns * promptTokens,
      answerTokens: turns * answerTokens,
      outputBytes,
      journalBytes: (outputBytes * (turns - 1)) / Math.max(turns, 1),
    },
    basis: "as `expect` says, since there are no dialogues yet",
    images: "as expected",
  };
}

/** Measured where the pipeline says so, else an order of magnitude. */
function rateOf({ answerTokensPerSecond }: Expected, inFlight: number): { tokensPerSecond: number; words: string } {
  if (answerTokensPerSecond !== undefined) {
    const words = `${answerTokensPerSecond} answer tokens/s of all servers together, as measured (expect.answerTokensPerSecond)`;
    return { tokensPerSecond: answerTokensPerSecond, words };
  }
  const words = `${TOKENS_PER_SECOND} tokens/s for each dialogue in flight, which is assumed: measure with --limit 200 and state expect.answerTokensPerSecond`;
  return { tokensPerSecond: TOKENS_PER_SECOND * inFlight, words };
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
  const messages: Message[] = [];
  let added = 0;
  let asked = 0;
  for (const [index, step] of steps.entries()) {
    const message = step.type === "say" ? step.message : step.source;
    let bytes = MESSAGE_BYTES;
    for (const part of message?.content ?? []) {
      if (part.type === "text") {
        bytes += Buffer.byteLength(part.text);
        // Ids of text are written one by one, those of an image are one run.
        added += (part.text.length / CHARACTERS_PER_TOKEN) * BYTES_PER_ID;
      } else if (part.type === "image") {
        // Videos are not asked about: scriptOf rejects their dialogues.
        bytes += IMAGE_BYTES;
      }
    }
    sums.outputBytes += bytes;
    if (step.type === "ask") {
      if (options.maxTurns !== undefined && asked >= options.maxTurns) return;
      asked += 1;
      const answer = Math.min(tokensOf(message, imageTokens), options.maxNewTokens);
      sums.turns += 1;
      sums.promptTokens += promptTokens(messages, options.history, imageTokens);
      sums.answerTokens += answer;
      // The text is written in the message and in the turn.
      const turn = TURN_BYTES + added + bytes;
      sums.outputBytes += turn;
      if (index < steps.length - 1) sums.journalBytes += turn + bytes;
      added = 0;
    }
    messages.push(message ?? { role: "assistant", content: [] });
  }
}

function promptTokens(messages: readonly Message[], history: HistoryOption, imageTokens: ImageTokens): number {
  let tokens = 0;
  for (const message of promptMessages(messages, history)) tokens += tokensOf(message, imageTokens);
  return tokens;
}

function tokensOf(message: Message | undefined, imageTokens: ImageTokens): number {
  let tokens = TOKENS_PER_MESSAGE;
  for (const part of message?.content ?? []) {
    if (part.type === "text") tokens += part.text.length / CHARACTERS_PER_TOKEN;
    else if (part.type === "image") tokens += imageTokens(part);
  }
  return tokens;
}

function millions(tokens: number): string {
  return tokens < 1e6 ? `${Math.round(tokens / 1e3)} thousand` : `${(tokens / 1e6).toFixed(1)} million`;
}
