/** Dialogues for the benchmarks: one question each, with a stored picture or without. */
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { sha256 } from "../../../../src/base/index.js";
import type { Dialogue } from "../../../../src/dialogue/index.js";
import { type Picture, writeArtifact } from "../harness.js";

const PICTURES = 200;

/** @param bodyKb - what a request weighs with its picture as base64; 0: no pictures */
function picturesOf(bodyKb: number, count: number): Picture[] {
  return Array.from({ length: bodyKb > 0 ? count : 0 }, (_, k) => {
    const png = Buffer.alloc(Math.round((bodyKb * 1024 * 3) / 4), k);
    png.writeUInt32BE(k, 0);
    return { hash: sha256(png), width: 1920, height: 1088, png };
  });
}

function rowOf(k: number, pictures: readonly Picture[]): Dialogue {
  const picture = pictures[k % pictures.length];
  const image = picture && { type: "image" as const, hash: picture.hash, width: picture.width, height: picture.height };
  const question = { type: "text" as const, text: `Question ${k}: ${"what is to be done on this screen? ".repeat(4)}` };
  return {
    id: `dialogue-${k}`,
    source: { file: "raw.jsonl", line: k + 1 },
    messages: [
      { role: "user", content: image === undefined ? [question] : [image, question] },
      { role: "assistant", content: [{ type: "text", text: "an answer" }] },
    ],
  };
}

/** @param pictureCount - dialogues have them by turns; when they exceed the stage's cache, each is read from its file */
export async function writeBenchData(
  root: string,
  count: number,
  bodyKb: number,
  pictureCount = PICTURES,
): Promise<void> {
  const pictures = picturesOf(bodyKb, pictureCount);
  await writeArtifact(root, [], pictures);
  const file = createWriteStream(join(root, "dialogues.jsonl"));
  for (let k = 0; k < count; k += 1) {
    if (!file.write(`${JSON.stringify(rowOf(k, pictures))}\n`)) await once(file, "drain");
  }
  file.end();
  await once(file, "close");
}
