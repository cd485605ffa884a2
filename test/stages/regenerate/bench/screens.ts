/** Dialogues with real pictures in any turn, for servers that look at them. */
import sharp from "sharp";
import { sha256 } from "../../../../src/base/index.js";
import type { Dialogue, Message } from "../../../../src/dialogue/index.js";
import type { InputArtifact } from "../../../../src/stages/stage.js";
import { type Picture, writeArtifact } from "../harness.js";

/** Sizes are multiples of the target's patch grid, as canonical pictures are. */
async function pictureOf(seed: number, width: number, height: number): Promise<Picture> {
  const pixels = Buffer.alloc(width * height * 3);
  for (let at = 0; at < pixels.length; at += 1) pixels[at] = ((at >> 4) * (seed + 3)) % 256;
  const png = await sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
  return { hash: sha256(png), width, height, png };
}

const text = (role: Message["role"], words: string): Message => ({ role, content: [{ type: "text", text: words }] });

function screenMessage(words: string, ...pictures: Picture[]): Message {
  const images = pictures.map(({ hash, width, height }) => ({ type: "image" as const, hash, width, height }));
  return { role: "user", content: [...images, { type: "text", text: words }] };
}

/** Writes a dialogues artifact: one picture, none, several, in the first or a later turn. */
export async function writeScreens(root: string, count: number): Promise<InputArtifact> {
  const one = await pictureOf(1, 320, 192);
  const two = await pictureOf(2, 256, 256);
  const shapes: Message[][] = [
    [text("system", "You operate a screen."), screenMessage("Press the red button.", one), text("assistant", "x")],
    [
      text("user", "Hello, what can you do?"),
      text("assistant", "x"),
      screenMessage("And here?", two),
      text("assistant", "x"),
    ],
    [
      screenMessage("Compare these.", one, two),
      text("assistant", "x"),
      text("user", "Why? é 日本"),
      text("assistant", "x"),
    ],
    [
      screenMessage("First.", two),
      text("assistant", "x"),
      screenMessage("Second.", one),
      text("assistant", "x"),
      screenMessage("Third.", two),
      text("assistant", "x"),
    ],
    [text("user", "No pictures at all."), text("assistant", "x")],
  ];
  const rows: Dialogue[] = Array.from({ length: count }, (_, k) => {
    const messages = shapes[k % shapes.length]!.map((message) => ({ ...message }));
    return {
      id: `d${k}`,
      source: { file: "raw.jsonl", line: k + 1 },
      messages: [...messages, text("user", `Round ${k}.`)],
    };
  });
  return writeArtifact(root, rows, [one, two]);
}
