/** Some dialogues, spread over the input, put to the live server. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DraftsmithError, fromErrno, type JsonObject } from "../../base/index.js";
import type { Message } from "../../dialogue/index.js";
import type { EncodedImage } from "../../sglang/index.js";
import { imagesOf } from "../../tokens/index.js";
import type { InputArtifact } from "../stage.js";
import { beforeLastAnswer, readDialogues } from "./check-dialogues.js";
import { readGenerations } from "./check-generations.js";
import type { LiveServer } from "./check-server.js";
import type { Subject } from "./subject.js";

interface Asked {
  id: string;
  messages: readonly Message[];
  tools?: JsonObject[] | undefined;
}

/** @returns how many dialogues could not be asked because their images are not among the inputs. */
export async function checkLivePrompts(
  subject: Subject,
  server: LiveServer,
  inputs: { generations: InputArtifact | undefined; dialogues: InputArtifact | undefined },
  signal: AbortSignal,
): Promise<number> {
  const source = inputs.generations ?? inputs.dialogues;
  const wanted = subject.options.serverSample;
  if (source === undefined || wanted === 0) return 0;
  const total = source.manifest.counts.kept ?? wanted;
  const stride = Math.max(1, Math.floor(total / wanted));
  const image = async (hash: string): Promise<EncodedImage> => readImage(inputs.dialogues!.path, hash);
  let index = 0;
  let asked = 0;
  let skipped = 0;
  for await (const dialogue of dialoguesOf(source)) {
    if (asked >= wanted) break;
    if (index++ % stride !== 0) continue;
    if (signal.aborted) throw new DraftsmithError("INTERRUPTED", "validate was stopped");
    asked += 1;
    const messages = beforeLastAnswer(dialogue.messages);
    if (inputs.dialogues === undefined && imagesOf(messages).length > 0) skipped += 1;
    else await server.checkPrompt(dialogue.id, messages, dialogue.tools, image);
  }
  return skipped;
}

function dialoguesOf(source: InputArtifact): AsyncGenerator<Asked> {
  return source.manifest.kind === "generations"
    ? readGenerations(source.path, undefined)
    : readDialogues(source.path, undefined);
}

async function readImage(root: string, hash: string): Promise<EncodedImage> {
  const path = join(root, "images", hash.slice(0, 2), `${hash}.png`);
  const png = await readFile(path).catch((error: unknown) => {
    throw fromErrno(error, path);
  });
  return { base64: Buffer.from(png.toString("base64"), "latin1") };
}
