/** Sends a sample of the dialogues, spread evenly over the input, to the live server. */
import { DraftsmithError, type JsonObject } from "../../base/index.js";
import { imagesOf, type Message, promptMessages, videosOf } from "../../dialogue/index.js";
import { findSpoof } from "../../tokens/index.js";
import type { InputArtifact } from "../stage.js";
import { beforeLastAnswer } from "./check-dialogues.js";
import { readGenerations } from "./check-generations.js";
import type { LiveServer } from "./check-server.js";
import type { DialogueSource, ReadImage } from "./dialogue-source.js";
import type { Subject } from "./subject.js";

interface Asked {
  id: string;
  messages: readonly Message[];
  tools?: JsonObject[] | undefined;
  /** Undefined if the inputs do not include the images. */
  image: ReadImage | undefined;
}

/** Dialogues that could not be sent. */
export interface Unasked {
  /** Their images are not among the inputs. */
  withoutImages: number;
  /** Videos, whose frames servers sample by their own rules; counts only dialogues reached while sampling. */
  withVideos: number;
}

export async function checkLivePrompts(
  subject: Subject,
  server: LiveServer,
  inputs: { generations: InputArtifact | undefined; source: DialogueSource | undefined },
  limit: number | undefined,
  signal: AbortSignal,
): Promise<Unasked> {
  const unasked: Unasked = { withoutImages: 0, withVideos: 0 };
  const wanted = subject.options.serverSample;
  if (wanted === 0) return unasked;
  // Counts the dialogues already checked; unreadable rows are not among them.
  const stride = Math.max(1, Math.floor(subject.counts.dialogues / wanted));
  let index = 0;
  let asked = 0;
  for await (const { id, messages, tools, image } of dialoguesOf(inputs, limit)) {
    if (asked >= wanted) break;
    if (index++ % stride !== 0) continue;
    if (signal.aborted) throw new DraftsmithError("INTERRUPTED", "validate was stopped");
    const prompt = promptMessages(beforeLastAnswer(messages), subject.history);
    // The server would take a spelled-out placeholder for a real one; a warning has been issued.
    if (findSpoof(prompt, subject.spoof) !== null) continue;
    if (videosOf(prompt).length > 0) {
      unasked.withVideos += 1;
      continue;
    }
    asked += 1;
    if (image === undefined && imagesOf(prompt).length > 0) unasked.withoutImages += 1;
    else await server.checkPrompt(id, prompt, tools, image ?? noImage);
  }
  return unasked;
}

async function* dialoguesOf(
  { generations, source }: { generations: InputArtifact | undefined; source: DialogueSource | undefined },
  limit: number | undefined,
): AsyncGenerator<Asked> {
  if (generations === undefined) {
    for await (const item of source?.items(limit) ?? []) if (item.ok) yield { ...item.dialogue, image: item.image };
    return;
  }
  const image = source?.stored;
  for await (const generation of readGenerations(generations.path, limit)) yield { ...generation, image };
}

const noImage: ReadImage = () => Promise.reject(new Error("no image is read for prompts without images"));
