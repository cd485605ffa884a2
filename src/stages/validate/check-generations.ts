/** Compares, for every turn of the generations, the prompt rendered here with the ids that the server returned. */

import { join } from "node:path";
import { readChecked } from "../../artifacts/index.js";
import {
  type Generation,
  generationSchema,
  imagesOf,
  type Message,
  promptMessages,
  turnIds,
  videosOf,
} from "../../dialogue/index.js";
import {
  gridTokens,
  imageRunProblem,
  isFixedPoint,
  type Prompt,
  patchTokens,
  resizeRule,
  turnProblem,
  videoRunProblem,
} from "../../tokens/index.js";
import { hashesApart, type Lineage } from "./check-lineage.js";
import { checkSystemPrompt } from "./check-system.js";
import { compareIds } from "./compare-ids.js";
import { likelyCause } from "./diagnose.js";
import type { Check } from "./findings.js";
import { historyForm } from "./history-content.js";
import type { Subject } from "./subject.js";

/** Dialogues rendered at a time, to keep the tokenizer's threads busy. */
const BATCH = 16;

export function readGenerations(dir: string, limit: number | undefined): AsyncGenerator<Generation> {
  return readChecked(join(dir, "generations.jsonl"), generationSchema, limit);
}

/** @param progress - called with the number of dialogues done */
export async function checkGenerations(
  subject: Subject,
  dir: string,
  lineage: Lineage | undefined,
  limit: number | undefined,
  progress: (done: number) => void,
): Promise<void> {
  let batch: { generation: Generation; prompts: Promise<Prompt[]> }[] = [];
  const drain = async (): Promise<void> => {
    // In input order, so that the first difference reported is the first in the file.
    for (const { generation, prompts } of batch) {
      await lineage?.check(generation);
      await checkGeneration(subject, generation, await prompts);
    }
    progress(subject.counts.dialogues);
    batch = [];
  };
  for await (const generation of readGenerations(dir, limit)) {
    const prompts = renderTurns(subject, generation);
    // Awaited with its batch; until then a rejection must not count as unhandled.
    prompts.catch(() => undefined);
    batch.push({ generation, prompts });
    if (batch.length >= BATCH) await drain();
  }
  await drain();
}

function renderTurns({ renderer, history }: Subject, { messages, tools, turns }: Generation): Promise<Prompt[]> {
  return renderer.prompts(
    turns.map((turn) => ({
      messages: promptMessages(messages.slice(0, turn.message), history),
      tools,
      generationPrompt: true,
    })),
  );
}

async function checkGeneration(subject: Subject, generation: Generation, prompts: readonly Prompt[]): Promise<void> {
  const { counts, findings, model, spell, history } = subject;
  counts.dialogues += 1;
  await checkSystemPrompt(subject, generation.id, generation.messages);
  countImages(subject, generation.messages);
  const ids = turnIds(generation.turns);
  findings.look("input");
  for (const [turn, stored] of generation.turns.entries()) {
    counts.turns += 1;
    const { prompt, response } = ids[turn]!;
    const place = { id: generation.id, turn };
    const local = prompts[turn]!;
    findings.look("rendering");
    if (!local.ok) {
      findings.add({ check: "rendering", severity: "error", message: local.message, place });
      continue;
    }
    const isCounted = stored.counted === true;
    if (isCounted) counts.promptsCounted += 1;
    else {
      counts.promptsCompared += 1;
      findings.look("prompt");
    }
    const theirs = isCounted ? "regenerate's own" : "the server's";
    const difference = compareIds(local.ids, prompt, spell, ["rendered here", theirs]);
    if (difference === null) {
      counts.promptsEqual += isCounted ? 0 : 1;
      const form = historyForm(promptMessages(generation.messages.slice(0, stored.message), history));
      if (form === "unchanged") counts.historyUnchanged += 1;
      else if (form === "trimmed") counts.historyTrimmed += 1;
    } else {
      const { index, frame, window } = difference;
      const cause = await likelyCause(subject, { ours: local.ids, theirs: prompt, images: local.images });
      findings.add({
        check: "prompt",
        severity: "error",
        message: `dialogue ${generation.id}, turn ${turn}: the prompt rendered here (${local.ids.length} ids) differs from ${theirs} (${prompt.length} ids) at id ${index}: ${cause}`,
        place: { ...place, index },
        frame,
        window,
      });
    }
    findings.look("images");
    const hashes = local.images.map((image) => image.hash);
    if (hashes.join() !== stored.imageHashes.join()) {
      findings.add({
        check: "images",
        severity: "error",
        message: `the turn names other images than its prompt holds: ${hashesApart(stored.imageHashes, hashes, ["turn", "prompt"]) ?? "it names fewer"}`,
        place,
      });
    }
    const grids = local.grids.map((grid) => gridTokens(grid, model.processor.mergeSize));
    const merge = model.video?.mergeSize ?? model.processor.mergeSize;
    const patches = local.videoGrids.flatMap((grid) => patchTokens(grid, merge));
    const run = imageRunProblem(prompt, model.specialIds, grids) ?? videoRunProblem(prompt, model.specialIds, patches);
    if (run !== null) {
      findings.add({ check: "images", severity: "error", message: run.message, place: { ...place, index: run.at } });
    }
    findings.look("ids");
    if (stored.finish.type !== "length") findings.look("stop");
    const problem = turnProblem({ prompt, response }, stored.finish, model);
    if (problem !== null) {
      const check: Check = problem.reason === "stop-token" ? "stop" : "ids";
      findings.add({ check, severity: "error", message: problem.message, place: { ...place, index: problem.at } });
    }
    if (stored.finish.type === "length") counts.answersWithoutStop += 1;
  }
}

export function countImages({ counts, model }: Subject, messages: readonly Message[]): void {
  counts.videos += videosOf(messages).length;
  const rule = resizeRule(model.processor);
  for (const image of imagesOf(messages)) {
    counts.images += 1;
    if (!isFixedPoint(image, rule)) counts.imagesResampled += 1;
  }
}
