/** validate against the running reference server: prompts that it really renders, and servers that differ. */
import { createHash } from "node:crypto";
import { cp, mkdir, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Dialogue, ImagePart } from "../../../src/dialogue/index.js";
import { type RunningServer, startServer } from "../../../src/python/index.js";
import type { InputArtifact } from "../../../src/stages/stage.js";
import { stage } from "../../../src/stages/validate/index.js";
import { findReference, TINY_GUI } from "../../tokens/reference.js";
import { SYSTEM, text, Workbench } from "../tokenize/workbench.js";

const found = await findReference();
const missing = "missing" in found ? found.missing : null;

const TOOL = {
  type: "function",
  function: {
    name: "click",
    description: "Clicks \u00e9.",
    parameters: { type: "object", properties: { at: { type: "array" } } },
  },
};

describe.skipIf(missing !== null)(`a live server${missing === null ? "" : ` (skipped: ${missing})`}`, () => {
  let bench: Workbench;
  let server: RunningServer;
  let dialogues: InputArtifact;
  beforeAll(async () => {
    bench = await Workbench.open();
    server = await startServer({ model: TINY_GUI, threads: 1 });
    dialogues = await bench.sealed("dialogues", {}, async (directory) => {
      const rows = await Promise.all([0, 1, 2, 3].map((number) => drawn(directory, number)));
      await writeFile(join(directory, "dialogues.jsonl"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    });
  }, 240_000);
  afterAll(async () => {
    await server?.stop();
    await bench?.close();
  });

  /** Text alone, one image, two images over two turns, a tool. Sizes that the processor changes are among them. */
  async function drawn(directory: string, number: number): Promise<Dialogue> {
    const image = async (width: number, height: number, background: string): Promise<ImagePart> => {
      const png = await sharp({ create: { width, height, channels: 3, background } })
        .png()
        .toBuffer();
      const hash = createHash("sha256").update(png).digest("hex");
      await mkdir(join(directory, "images", hash.slice(0, 2)), { recursive: true });
      await writeFile(join(directory, "images", hash.slice(0, 2), `${hash}.png`), png);
      return { type: "image", hash, width, height };
    };
    const messages: Dialogue["messages"] = [
      { role: "system", content: [text(SYSTEM)] },
      { role: "user", content: [text("What now?  e\u0301 \ud83d\ude00\n\n")] },
      { role: "assistant", content: [text(" Nothing. <think>\nwell\n</think>\n\nYes. ")] },
    ];
    if (number >= 1)
      messages.push({ role: "user", content: [text("See"), await image(320, 192, "red"), text("then click.")] });
    if (number >= 2) {
      messages.push({ role: "assistant", content: [text("Clicked.")], reasoning: "It is red." });
      messages.push({ role: "user", content: [await image(500, 101, "blue"), text(" and again")] });
    }
    if (number < 3) return { id: `live${number}`, source: { file: "x", line: 1 }, messages };
    messages.push({
      role: "assistant",
      content: [],
      toolCalls: [{ name: "click", arguments: { at: [1, 2.5], how: "\u00e9<>" } }],
    });
    messages.push({ role: "tool", content: [text("done")], toolCallId: "call_0" });
    return { id: `live${number}`, source: { file: "x", line: 1 }, messages, tools: [TOOL] };
  }

  const validate = (options: object = {}) =>
    bench.run(stage, { model: TINY_GUI, systemPrompt: SYSTEM, server: server.url, ...options }, { dialogues });

  async function otherModel(file: string, from: string, to: string): Promise<string> {
    const dir = await mkdtemp(join(bench.root, "model-"));
    await cp(TINY_GUI, dir, { recursive: true, filter: (path) => !path.endsWith(".safetensors") });
    const before = await readFile(join(dir, file), "utf8");
    expect(before).toContain(from);
    await writeFile(join(dir, file), before.replace(from, to));
    return dir;
  }

  it("has the prompts that are rendered here: text, images, several turns, tools", async () => {
    const result = await validate();
    expect(result.manifest.counts).toMatchObject({ livePromptsCompared: 4, livePromptsEqual: 4, errors: 0 });
    expect(result.manifest.facts.summary).toContainEqual({
      label: "prompts equal to the live server's",
      value: "100 % (4 of 4)",
    });
  });

  it("with thinking switched on in the declaration agrees too", async () => {
    await expect(validate({ thinking: "on" })).resolves.toMatchObject({
      manifest: { counts: { livePromptsEqual: 4 } },
    });
  });

  it("with another template is refused, with the place", async () => {
    const model = await otherModel(
      "chat_template.jinja",
      "'<|im_start|>user\\n' + ns.body",
      "'<|im_start|>user\\n\\n' + ns.body",
    );
    await expect(validate({ model })).rejects.toMatchObject({
      code: "VALIDATION_FAILED",
      message: expect.stringMatching(/dialogue live0: .* differs from that of http:\/\/127\.0\.0\.1:\d+ .* at id \d+/),
      frame: expect.stringMatching(/> +\d+ "\\n" 198/),
    });
  });

  it("with other pixel limits is refused at the run of pads", async () => {
    const model = await otherModel("preprocessor_config.json", "262144", "40000");
    await expect(validate({ model })).rejects.toMatchObject({
      code: "VALIDATION_FAILED",
      frame: expect.stringContaining("<|image_pad|>"),
    });
  });

  it("with another vocabulary is refused by the probe text", async () => {
    const model = await otherModel("tokenizer.json", '"NFC"', '"NFD"');
    // Qwen2Tokenizer brings NFC whatever the file says: only a class that follows the file differs.
    await expect(validate({ model })).resolves.toBeDefined();
    const config = JSON.parse(await readFile(join(model, "tokenizer_config.json"), "utf8")) as Record<string, unknown>;
    await writeFile(
      join(model, "tokenizer_config.json"),
      JSON.stringify({ ...config, tokenizer_class: "PreTrainedTokenizerFast" }),
    );
    await expect(validate({ model })).rejects.toMatchObject({
      message: expect.stringContaining("tokenizes the probe text otherwise"),
    });
  });

  it("of another model type is refused by name", async () => {
    const model = await otherModel("config.json", '"model_type": "qwen3_vl",', '"model_type": "qwen3_vl_moe",');
    await expect(validate({ model })).rejects.toMatchObject({ message: expect.stringContaining("serves a qwen3_vl,") });
  });
});
