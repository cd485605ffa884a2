/** Against the reference server with the embedded target: real images, real template, real ids. */
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { turnIds } from "../../../src/dialogue/index.js";
import type { InputArtifact } from "../../../src/stages/stage.js";
import { existingPython, packageRoot, type RunningServer, startServer } from "../../../src/trainer-process/index.js";
import { writeScreens } from "./bench/screens.js";
import { runStage, temporaryDirectory } from "./harness.js";

const python = await existingPython();
const model = join(packageRoot(), "fixtures", "tiny-gui");

describe.skipIf(python === null)("the reference server (skipped without a Python environment)", () => {
  let server: RunningServer;
  let input: InputArtifact;

  beforeAll(async () => {
    server = await startServer({ model, servedModelName: "tiny-gui", threads: 1 });
    input = await writeScreens(await temporaryDirectory(), 10);
  }, 240_000);
  afterAll(() => server?.stop());

  const OPTIONS = {
    maxNewTokens: 24,
    expectModel: "tiny-gui",
    loops: { policy: "keep" as const, minTokens: 64, minRepeats: 6 },
  };

  const checked = () => ({ servers: [server.url], concurrency: 6, ...OPTIONS });

  it("renders as the model directory does", async () => {
    const good = await runStage({ input, options: { ...checked(), model }, limit: 5 });
    expect(good.draft.counts).toMatchObject({ read: 5, failed: 0 });
  }, 120_000);

  it.each<[string, string, (text: string) => string, object]>([
    [
      "template",
      "chat_template.jinja",
      (text) => text.replaceAll("|im_start|>user\\n", "|im_start|>User\\n"),
      { frame: expect.stringContaining("User") },
    ],
    [
      "tokenizer",
      "tokenizer.json",
      (text) => {
        const tokenizer = JSON.parse(text) as { model: { merges: [string, string][] } };
        const { model } = tokenizer;
        // "is" comes apart into two tokens.
        const merges = model.merges.filter((pair) => pair.join("") !== "is");
        expect(merges.length).toBeLessThan(model.merges.length);
        return JSON.stringify({ ...tokenizer, model: { ...model, merges } });
      },
      { frame: expect.stringContaining("is") },
    ],
    [
      "picture sizes",
      "preprocessor_config.json",
      (text) => text.replace('"shortest_edge": 16384', '"shortest_edge": 65536'),
      { frame: expect.stringContaining("image_pad") },
    ],
  ])(
    "is refused where the directory has another %s",
    async (_name, file, change, frame) => {
      const other = await temporaryDirectory();
      await cp(model, other, { recursive: true });
      const text = await readFile(join(model, file), "utf8");
      expect(change(text)).not.toBe(text);
      await writeFile(join(other, file), change(text));
      const bad = runStage({ input, options: { ...checked(), model: other }, limit: 5 });
      await expect(bad).rejects.toMatchObject({
        code: "SERVER_REFUSED",
        message: expect.stringContaining(`it renders a probe differently from ${other}`),
        ...frame,
      });
    },
    120_000,
  );

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
