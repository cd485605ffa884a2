/** Checks the image files of a dialogues artifact against the hash and size that dialogues record. */
import { isDraftsmithError } from "../../base/index.js";
import { type Picture, picturesOf } from "../../dialogue/index.js";
import { pngSize, readStoredImage } from "../../images/index.js";
import type { DialogueSource } from "./dialogue-source.js";
import type { Subject } from "./subject.js";

/** Enough of a hash to tell images of one dataset apart, at half the memory of whole hashes. */
const KEY_DIGITS = 20;
/** Lets reading and hashing overlap; a higher limit would only hold more images in memory. */
const AT_ONCE = 4;

export async function checkImages(
  subject: Subject,
  source: DialogueSource,
  limit: number | undefined,
  progress: (done: number) => void,
): Promise<void> {
  const { store } = source;
  if (store === undefined) return;
  const seen = new Set<string>();
  let reading: { id: string; problem: Promise<string | null> }[] = [];
  const finish = async (): Promise<void> => {
    // Wait for all of them: a finding may end the run, and a later rejection would go unhandled.
    const problems = await Promise.all(reading.map(async ({ id, problem }) => ({ id, message: await problem })));
    reading = [];
    for (const { id, message } of problems) {
      if (message !== null) subject.findings.add({ check: "images", severity: "error", message, place: { id } });
    }
  };
  for await (const item of source.items(limit)) {
    if (!item.ok) continue;
    const { id, messages } = item.dialogue;
    for (const image of picturesOf(messages)) {
      const key = image.hash.slice(0, KEY_DIGITS);
      if (seen.has(key)) continue;
      seen.add(key);
      subject.findings.look("images");
      reading.push({ id, problem: problemOf(store, id, image) });
      if (reading.length === AT_ONCE) await finish();
      if (seen.size % 256 === 0) progress(seen.size);
    }
  }
  await finish();
  subject.counts.imagesVerified = seen.size;
  progress(seen.size);
}

async function problemOf(store: string, id: string, { hash, width, height }: Picture): Promise<string | null> {
  try {
    const size = pngSize(await readStoredImage(store, hash));
    if (size.width === width && size.height === height) return null;
    return `image ${hash} is ${size.width}x${size.height}, dialogue ${id} says ${width}x${height}`;
  } catch (error) {
    if (!isDraftsmithError(error) || error.code !== "ARTIFACT_INVALID") throw error;
    return `an image of dialogue ${id} was swapped, damaged or removed: ${error.message}`;
  }
}
