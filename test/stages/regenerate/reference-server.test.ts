/** Against the reference server with the embedded target: real images, real template, real ids. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sha256 } from "../../../src/base/index.js";
import { type Dialogue, type Message, turnIds } from "../../../src/dialogue/index.js";
import { existingPython, packageRoot, type RunningServer, startServer } from "../../../src/python/index.js";
import type { InputArtifact } from "../../../src/stages/stage.js";
import { type Picture, runStage, temporaryDirectory, writeArtifact } from "./harness.js";

const python = await existingPython();
const model = join(packageRoot(), "fixtures", "tiny-gui");

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

describe.skipIf(python === null)("the reference server (skipped without a Python environment)", () => {
  let server: RunningServer;
  let input: InputArtifact;

  beforeAll(async () => {
    server = await startServer({ model, servedModelName: "tiny-gui", threads: 1 });
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
    const rows: Dialogue[] = Array.from({ length: 10 }, (_, k) => {
      const messages = shapes[k % shapes.length]!.map((message) => ({ ...message }));
      return {
        id: `d${k}`,
        source: { file: "raw.jsonl", line: k + 1 },
        messages: [...messages, text("user", `Round ${k}.`)],
      };
    });
    input = await writeArtifact(await temporaryDirectory(), rows, [one, two]);
  }, 240_000);
  afterAll(() => server?.stop());

  const OPTIONS = {
    maxNewTokens: 24,
    expectModel: "tiny-gui",
    loops: { policy: "keep" as const, minTokens: 64, minRepeats: 6 },
  };

  it("returns exact ids for pictures in any turn, and agrees with itself", async () => {
    const result = await runStage({
      input,
      options: { servers: [server.url], concurrency: 8, recheckShare: 1, ...OPTIONS },
    });
    expect(result.draft.counts).toMatchObject({ read: 10 });
    expect(result.draft.counts.failed).toBe(0);
    const tokenizer = JSON.parse(await readFile(join(model, "tokenizer.json"), "utf8")) as {
      added_tokens: { id: number; content: string }[];
    };
    const idOf = (content: string): number => tokenizer.added_tokens.find((token) => token.content === content)!.id;
    for (const row of result.rows) {
      const ids = turnIds(row.turns);
      for (const [k, turn] of row.turns.entries()) {
        const prompt = [...ids[k]!.prompt];
        // One vision_start per picture, and as many pads as its merged 32x32 patches.
        expect(prompt.filter((id) => id === idOf("<|vision_start|>"))).toHaveLength(turn.imageHashes.length);
        const pads = row.messages
          .slice(0, turn.message)
          .flatMap(({ content }) =>
            content.flatMap((part) => (part.type === "image" ? [(part.width / 32) * (part.height / 32)] : [])),
          );
        expect(prompt.filter((id) => id === idOf("<|image_pad|>"))).toHaveLength(
          pads.reduce((sum, count) => sum + count, 0),
        );
        if (turn.finish.type === "stop") expect(turn.finish.matched).toBe(ids[k]!.response.at(-1));
        else expect(ids[k]!.response).toHaveLength(24);
      }
    }
    const { turns, equal } = result.draft.counts.recheck as { turns: number; equal: number };
    expect(turns).toBeGreaterThanOrEqual(10);
    expect(equal).toBe(turns);
  }, 120_000);

  it("gives the same bytes by chat and by /generate, at any concurrency", async () => {
    const chat = await runStage({ input, options: { servers: [server.url], concurrency: 1, ...OPTIONS } });
    const generate = await runStage({
      input,
      options: { servers: [server.url], concurrency: 6, idSource: "generate", ...OPTIONS },
    });
    expect(generate.draft.facts.idSource).toBe("generate");
    expect(generate.generations).toBe(chat.generations);
  }, 120_000);

  it("turns thinking on by the template's own argument", async () => {
    const on = await runStage({ input, options: { servers: [server.url], thinking: "on", ...OPTIONS }, limit: 2 });
    const off = await runStage({ input, options: { servers: [server.url], thinking: "off", ...OPTIONS }, limit: 2 });
    expect(on.rows[0]!.turns[0]!.prompt.ids).not.toEqual(off.rows[0]!.turns[0]!.prompt.ids);
    expect(on.draft.facts.chatTemplateKwargs).toEqual({ enable_thinking: true });
  }, 120_000);
});
