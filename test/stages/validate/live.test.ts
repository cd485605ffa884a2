/** validate against the running reference server: prompts that it really renders, and servers that differ. */
import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Dialogue, ImagePart } from "../../../src/dialogue/index.js";
import type { InputArtifact } from "../../../src/stages/stage.js";
import { stage } from "../../../src/stages/validate/index.js";
import { type RunningServer, startServer } from "../../../src/trainer-process/index.js";
import { run } from "../../e2e/cli.js";
import { findReference, TINY_GUI } from "../../tokens/reference.js";
import { declare, SYSTEM, text, Workbench } from "../tokenize/workbench.js";
import { startIdlessProxy } from "./idless-proxy.js";
import { otherModel as copyModel, VARIANTS } from "./other-server.js";

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

  const otherModel = (file: string, from: string, to: string): Promise<string> =>
    copyModel(bench.root, [[file, from, to]]);

  const validate = (options: object = {}) =>
    bench.run(stage, { model: TINY_GUI, systemPrompt: declare(SYSTEM), server: server.url, ...options }, { dialogues });

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
      message: expect.stringMatching(
        /dialogue live0: .* differs from that of http:\/\/127\.0\.0\.1:\d+ .* at id \d+: message 1 .*the chat templates differ/,
      ),
      frame: expect.stringMatching(/> +\d+ "\\n" 198/),
    });
  });

  it("with other pixel limits is refused at the run of pads", async () => {
    const model = await otherModel("preprocessor_config.json", "262144", "40000");
    await expect(validate({ model })).rejects.toMatchObject({
      code: "VALIDATION_FAILED",
      message: expect.stringMatching(
        /server 60, here \d+ pads for a 320x192 image: its max_pixels is 61,440 or more \(here 40,000\)/,
      ),
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
      message: expect.stringContaining("tokenizes the probe text differently"),
    });
  });

  it("of another model type is refused by name", async () => {
    const model = await otherModel("config.json", '"model_type": "qwen3_vl",', '"model_type": "qwen3_vl_moe",');
    await expect(validate({ model })).rejects.toMatchObject({ message: expect.stringContaining("serves a qwen3_vl,") });
  });

  it("without ids is compared by the length of its prompts, and says so", async () => {
    const proxy = await startIdlessProxy(server.url);
    try {
      const result = await validate({ server: proxy.url });
      expect(result.manifest.counts).toMatchObject({
        livePromptsCompared: 0,
        liveCountsCompared: 4,
        liveCountsEqual: 4,
      });
      expect(result.events).toContainEqual(
        expect.objectContaining({ message: expect.stringContaining("returns no prompt ids: only the lengths") }),
      );
      proxy.miscount = 1;
      await expect(validate({ server: proxy.url })).rejects.toMatchObject({
        message: expect.stringMatching(
          /dialogue live0: the prompt rendered here has (\d+) tokens, .* counts \d+ \(it returns/,
        ),
      });
    } finally {
      await proxy.close();
    }
  });

  describe("started with another template", () => {
    let other: RunningServer;
    beforeAll(async () => {
      other = await startServer({ model: await copyModel(bench.root, VARIANTS, true), threads: 1 });
    }, 240_000);
    afterAll(() => other?.stop());

    const causes: [variant: string, cause: RegExp][] = [
      ["newline", /: the server's prompt lacks the trailing newline after assistant \(and/],
      ["bos", /: the server's prompt begins with the BOS token "<\|endoftext\|>", which is not rendered here/],
      ["thinking", /: thinking is on at the server and off here: .*"<\|im_start\|>assistant\\n<think>\\n" and/],
      ["empty-thought", /: thinking is off \(an empty thought\) at the server and off here/],
      [
        "system",
        /: the system prompt differs "You are a helpful assistant\." on the server, "You operate a computer\./,
      ],
      ["no-system", /: the server leaves out the system prompt "You operate a computer\./],
      ["trimmed", /: message 1 differs in white space only: the chat templates differ, .*\\n\\n" here/],
      ["between", /: white space between messages differs: the chat templates differ, /],
    ];
    it.each(causes)("is caught in words: %s", async (variant, cause) => {
      const run = validate({ server: other.url, chatTemplateKwargs: { variant }, keepGoing: true });
      await expect(run).rejects.toMatchObject({ code: "VALIDATION_FAILED", exitCode: 10, message: cause });
      const report = await readFile(join(bench.lastResumeDir, "report.txt"), "utf8");
      expect(report).toMatch(/the server's chat template is [0-9a-f]{12}, that of the model directory/);
    });

    it("that keeps earlier thoughts is caught in words", async () => {
      const run = validate({ server: other.url, chatTemplateKwargs: { variant: "history" }, keepGoing: true });
      await expect(run).rejects.toMatchObject({
        message: expect.stringMatching(
          /dialogue live\d.*: thinking in earlier answers is treated differently: the template the server keeps, here drops it/,
        ),
      });
    });

    it("is refused by its files where no prompt that was asked shows it", async () => {
      await expect(validate({ server: other.url })).rejects.toMatchObject({
        message: expect.stringContaining("the server's chat template is "),
        location: { field: "chat_template" },
      });
    });
  });

  describe("started with other image settings", () => {
    let other: RunningServer;
    beforeAll(async () => {
      const model = await copyModel(
        bench.root,
        [
          ["preprocessor_config.json", "262144", "30000"],
          ["preprocessor_config.json", "0.5,", "0.4,"],
        ],
        true,
      );
      other = await startServer({ model, threads: 1 });
    }, 240_000);
    afterAll(() => other?.stop());

    it("names both counts, the picture and the limit", async () => {
      const run = validate({ server: other.url, keepGoing: true });
      await expect(run).rejects.toMatchObject({
        message: expect.stringMatching(
          /dialogue live1: .*: server 24, here 60 pads for a 320x192 image: its max_pixels is between 2\d,\d{3} and 3\d,\d{3} \(here 262,144\) \(and/,
        ),
        frame: expect.stringMatching(/> +\d+ "<\|image_pad\|>" 1986 x 60 +\d+ "<\|image_pad\|>" 1986 x 24/),
      });
      const report = await readFile(join(bench.lastResumeDir, "report.txt"), "utf8");
      // Another mean changes no id: only the files tell.
      expect(report).toMatch(/the server's image processor has imageMean \[0.4,0.5,0.5\], .* has \[0.5,0.5,0.5\]/);
      expect(report).toMatch(/the server's image processor has maxPixels 30000, .* has 262144/);
    });
  });

  describe("with a plain file of dialogues, before anything else", () => {
    /** OpenAI, ShareGPT and LLaVA rows in one file, images beside it in three formats, one row that is broken. */
    async function plainFile(): Promise<string> {
      const dir = join(bench.root, `raw-${Math.random().toString(36).slice(2)}`);
      await mkdir(join(dir, "shots"), { recursive: true });
      const draw = (width: number, height: number) =>
        sharp({ create: { width, height, channels: 4, background: { r: 9, g: 99, b: 200, alpha: 0.5 } } });
      await draw(500, 333)
        .png()
        .toFile(join(dir, "shots", "a.png"));
      // Turned by its EXIF entry: upright it is 200 x 640.
      await draw(640, 200)
        .withMetadata({ orientation: 6 })
        .jpeg()
        .toFile(join(dir, "shots", "b.jpg"));
      await draw(96, 80)
        .webp()
        .toFile(join(dir, "shots", "c.webp"));
      const data = `data:image/webp;base64,${(await readFile(join(dir, "shots", "c.webp"))).toString("base64")}`;
      const rows = [
        {
          messages: [
            { role: "system", content: SYSTEM },
            {
              role: "user",
              content: [
                { type: "image_url", image_url: { url: "shots/a.png" } },
                { type: "text", text: "Click  it." },
                { type: "image_url", image_url: { url: data } },
              ],
            },
            { role: "assistant", content: "Done." },
          ],
        },
        {
          id: "share",
          images: ["shots/b.jpg"],
          conversations: [
            { from: "system", value: SYSTEM },
            { from: "human", value: "<image>\nWhat is this?" },
            { from: "gpt", value: "A bar." },
          ],
        },
        {
          id: "llava",
          image: "shots/c.webp",
          conversations: [
            { from: "system", value: SYSTEM },
            { from: "human", value: "<image>\nAnd this?" },
            { from: "gpt", value: "A square." },
          ],
        },
        {
          id: "clip",
          messages: [
            { role: "system", content: SYSTEM },
            { role: "user", content: [{ type: "video", frames: ["shots/a.png", "shots/a.png"], fps: 2 }] },
            { role: "assistant", content: "It stands still." },
          ],
        },
        {
          id: "clip of two sizes",
          messages: [{ role: "user", content: [{ type: "video", frames: ["shots/a.png", "shots/c.webp"], fps: 2 }] }],
        },
        {
          id: "broken",
          messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "none.png" } }] }],
        },
      ];
      await writeFile(join(dir, "data.jsonl"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
      return join(dir, "data.jsonl");
    }

    const command = (...words: string[]) => run(["validate", "--server", server.url, "--model", TINY_GUI, ...words]);

    it("compares every row that can be read, counts the others, and needs no --out", async () => {
      const file = await plainFile();
      const done = await command(
        "--dialogues",
        file,
        "--system-prompt.policy",
        "set",
        "--system-prompt.text",
        SYSTEM,
        "--json",
      );
      expect(done.stderr).toBe("");
      expect(done.code).toBe(0);
      expect(done.events).toContainEqual(
        expect.objectContaining({
          type: "step-finished",
          counts: expect.objectContaining({
            dialogues: 4,
            livePromptsCompared: 3,
            livePromptsEqual: 3,
            images: 4,
            imagesResampled: 4,
            videos: 1,
            rejected: { "image-missing": 1, "video-frame-sizes": 1 },
          }),
        }),
      );
      expect(done.events).toContainEqual(
        expect.objectContaining({
          type: "log",
          message: expect.stringMatching(/^1 dialogues with videos were not sent to the server/),
        }),
      );
    });

    it("says by its exit code that the server differs, and prints the report", async () => {
      const model = await otherModel("preprocessor_config.json", "262144", "40000");
      const done = await run(["validate", "--server", server.url, "--model", model, "--dialogues", await plainFile()]);
      expect(done.code).toBe(10);
      expect(done.stdout).toMatch(/^verdict: bad/m);
      expect(done.stderr).toMatch(/data\.jsonl:1: .*server \d+, here \d+ pads for a 500x333 image: its max_pixels is/);
      const kept = /the report is (\S+)/.exec(done.stderr)?.[1];
      expect(await readFile(kept!, "utf8")).toMatch(/^verdict: bad/);
      await rm(join(kept!, "..", "..", ".."), { recursive: true });
    });

    it("takes an artifact's directory and canonical rows too", async () => {
      for (const path of [dialogues.path, join(dialogues.path, "dialogues.jsonl")]) {
        const done = await bench.run(stage, { model: TINY_GUI, server: server.url, dialogues: path }, {});
        expect(done.manifest.counts).toMatchObject({ dialogues: 4, livePromptsEqual: 4, errors: 0 });
      }
    });

    it("never follows an image path out of the declared roots", async () => {
      const file = await plainFile();
      const done = await bench
        .run(stage, { model: TINY_GUI, server: server.url, dialogues: file, imageRoots: [bench.root] }, {})
        .catch((error: unknown) => error);
      expect(done).toMatchObject({ code: "DATA_EMPTY", frame: expect.stringContaining("image-missing") });
    });
  });
});
