/** Turns of a generation: the server's own ids, checked against the image sizes and the model. */
import type { JsonObject } from "../../base/index.js";
import { type Generation, imagesOf, type Message, systemText, turnIds, videosOf } from "../../dialogue/index.js";
import type { ModelDirectory } from "../../model/index.js";
import {
  findSpoof,
  gridTokens,
  imageGrid,
  imageRunProblem,
  isWellFormed,
  turnProblem,
  videoRunProblem,
} from "../../tokens/index.js";
import type { Candidates, Rejection } from "./candidates.js";
import type { TokenizeOptions } from "./options.js";

/** @param spoof - finds special tokens in text; null where they are kept */
export function turnsFromIds(
  generation: Generation,
  model: ModelDirectory,
  options: Pick<TokenizeOptions, "cutAnswers" | "countedIds">,
  spoof: RegExp | null,
): Candidates {
  const { messages } = generation;
  const candidates: Candidates = {
    id: generation.id,
    tags: tagsOf(generation),
    read: generation.turns.length,
    turns: [],
    grids: gridsOf(messages, model),
    rejections: [],
    systemPrompt: systemText(messages),
  };
  const whole = dialogueProblem(messages, spoof, false, generation.tools);
  if (whole !== null) return { ...candidates, rejections: [whole] };
  if (videosOf(messages).length > 0) {
    // Servers choose or time frames themselves, so these ids are not known to be of these frames.
    const message = "a generation holds a video, which regenerate never asks for";
    return { ...candidates, rejections: [{ turn: null, reason: "video-not-served", message }] };
  }
  const ids = turnIds(generation.turns);
  for (const [turn, stored] of generation.turns.entries()) {
    const { prompt, response } = ids[turn]!;
    const reject = (reason: string, message: string): void => {
      candidates.rejections.push({ turn, reason, message });
    };
    if (stored.finish.type === "length" && options.cutAnswers === "drop") {
      reject("cut-answer", "the server cut the answer at its token limit");
      continue;
    }
    if (stored.counted === true && options.countedIds === "refuse") {
      reject("counted-ids", "its ids are as many as the server counted, but the server never sent them");
      continue;
    }
    const hashes = imagesOf(messages.slice(0, stored.message)).map((image) => image.hash);
    if (hashes.join() !== stored.imageHashes.join()) {
      reject(
        "image-order",
        `the turn names ${stored.imageHashes.length} images, its messages hold ${hashes.length}, or others`,
      );
      continue;
    }
    const unsized = hashes.find((hash) => !candidates.grids.has(hash));
    if (unsized !== undefined) {
      reject("aspect-ratio", `image ${unsized} exceeds the processor's aspect ratio`);
      continue;
    }
    const problem = turnProblem({ prompt, response }, stored.finish, model);
    if (problem !== null) {
      reject(problem.reason, `${problem.message} (at id ${problem.at})`);
      continue;
    }
    const counts = hashes.map((hash) => gridTokens(candidates.grids.get(hash)!, model.processor.mergeSize));
    const runs = imageRunProblem(prompt, model.specialIds, counts);
    if (runs !== null) {
      reject("image-run", `${runs.message} (at id ${runs.at})`);
      continue;
    }
    const unexpected = videoRunProblem(prompt, model.specialIds, []);
    if (unexpected !== null) {
      reject("video-run", `${unexpected.message} (at id ${unexpected.at})`);
      continue;
    }
    candidates.turns.push({ turn, prompt, response, imageHashes: hashes, videos: [] });
  }
  return candidates;
}

/** A run's turns are counted all or none, and so are a row's. */
function tagsOf({ tags = {}, turns }: Generation): Candidates["tags"] {
  return turns.some(({ counted }) => counted === true) ? { ...tags, "counted-ids": "true" } : tags;
}

/** What makes a dialogue unusable before any turn is looked at. Answers are the target's own and not searched. */
export function dialogueProblem(
  messages: readonly Message[],
  spoof: RegExp | null,
  answersToo = false,
  tools: readonly JsonObject[] = [],
): Rejection | null {
  if (!isWellFormed(messages)) {
    return { turn: null, reason: "invalid-unicode", message: "a text holds half of a surrogate pair" };
  }
  const searched = answersToo ? messages : messages.filter((message) => message.role !== "assistant");
  const found = findSpoof(searched, spoof, tools);
  if (found === null) return null;
  return { turn: null, reason: "special-token-text", message: `a text spells out the special token ${found.token}` };
}

/** Grids of all images by hash; images that the processor refuses are left out. */
export function gridsOf(messages: readonly Message[], model: ModelDirectory): Candidates["grids"] {
  const grids: Candidates["grids"] = new Map();
  for (const image of imagesOf(messages)) {
    const grid = imageGrid(image, model.processor);
    if (grid !== null) grids.set(image.hash, grid);
  }
  return grids;
}
