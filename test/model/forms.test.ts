/** Every form of a model directory reads alike, and as transformers itself loads it. */
import { rm } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { JsonObject } from "../../src/base/index.js";
import {
  MODEL_TYPES,
  type ModelDirectory,
  openModel,
  RULES_FOLLOW,
  versionDifferences,
  versionNotes,
} from "../../src/model/index.js";
import { createRenderer } from "../../src/tokens/index.js";
import { scratchDirectory } from "../scratch/scratch.js";
import { familyDirectory } from "../tokens/families.js";
import { TINY_GUI } from "../tokens/reference.js";
import { describeWithReference } from "../tokens/with-reference.js";
import { Directory, writeForm5, writeForm457, writeFormHub } from "./forms.js";

let target: Directory;
beforeEach(async () => {
  target = await Directory.make();
});
afterEach(() => target.delete());

const IMAGE = "preprocessor_config.json";
const VIDEO = "video_preprocessor_config.json";
const TOKENS = "tokenizer_config.json";
const MAP = "special_tokens_map.json";

describe.each([
  ["4.57", writeForm457],
  ["the hub", writeFormHub],
  ["5.x", writeForm5],
])("the form of %s", (_, write) => {
  it("reads as the plain directory does", async () => {
    const plain = await openModel(target.dir);
    await write(target);
    const model = await openModel(target.dir);
    expect(model.notes).toEqual([]);
    expect({ ...model.fingerprints, config: "" }).toEqual({ ...plain.fingerprints, config: "" });
    expect(model.config).toEqual(plain.config);
    expect(model.video).toEqual(plain.video);
    expect(model.specialIds).toEqual(plain.specialIds);
    expect(model.tokenizer.specialTokens).toEqual(plain.tokenizer.specialTokens);
    expect(model.tokenizer.addedTokens).toEqual(plain.tokenizer.addedTokens);
  });
});

/** Spoils a directory in one way; the words that must name it, or null where it is readable. */
type Case = [name: string, spoil: (target: Directory) => Promise<unknown>, message: RegExp | null];
const EDGES = { shortest_edge: 4096, longest_edge: 50_000 };
const TOP = { min_pixels: 1000, max_pixels: 50_000 };

/** Those that transformers reads too: our reading must equal its own. Those with a message are refused here. */
const CASES: Case[] = [
  ["edges", (t) => t.set(IMAGE, { size: EDGES }), null],
  ["top-level limits alone", (t) => t.set(IMAGE, { size: undefined, ...TOP }), null],
  ["top-level limits win over edges", (t) => t.set(IMAGE, { size: EDGES, ...TOP }), null],
  ["one top-level limit over edges", (t) => t.set(IMAGE, { size: EDGES, max_pixels: 30_000 }), null],
  ["one top-level limit, the other by default", (t) => t.set(IMAGE, { size: undefined, min_pixels: 9000 }), null],
  [
    "size in the spelling that top-level limits override",
    (t) => t.set(IMAGE, { size: { min_pixels: 1, max_pixels: 2 }, ...TOP }),
    null,
  ],
  ["no size at all", (t) => t.set(IMAGE, { size: undefined }), null],
  ["size null", (t) => t.set(IMAGE, { size: null }), null],
  [
    "size in the spelling that fails at the first image",
    (t) => t.set(IMAGE, { size: { min_pixels: 1, max_pixels: 2 } }),
    /preprocessor_config\.json: size must have exactly shortest_edge and longest_edge .* \{"min_pixels":1,"max_pixels":2\}/,
  ],
  [
    "size with one edge",
    (t) => t.set(IMAGE, { size: { longest_edge: 5000 } }),
    /size must have .* not \{"longest_edge":5000\}/,
  ],
  ["size with a third key", (t) => t.set(IMAGE, { size: { ...EDGES, min_pixels: 5 } }), /size must have/],
  ["an empty size", (t) => t.set(IMAGE, { size: {} }), /size must have .* not \{\}/],
  ["size as a number", (t) => t.set(IMAGE, { size: 224 }), /size must have .* not 224/],
  [
    "an edge as text",
    (t) => t.set(IMAGE, { size: { ...EDGES, shortest_edge: "4096" } }),
    /min_pixels must be a positive whole number, not "4096"/,
  ],
  ["no type of the image processor", (t) => t.set(IMAGE, { image_processor_type: undefined }), null],
  [
    "the plain name of the image processor",
    (t) => t.set(IMAGE, { image_processor_type: "Qwen2VLImageProcessor" }),
    null,
  ],
  [
    "an image processor that no version knows",
    (t) => t.set(IMAGE, { image_processor_type: "Qwen3VLImageProcessor" }),
    /image_processor_type "Qwen3VLImageProcessor" is not one of/,
  ],
  ["videos: edges", (t) => t.set(VIDEO, { size: EDGES }), null],
  ["videos: top-level limits are ignored", (t) => t.set(VIDEO, { size: undefined, ...TOP }), null],
  ["videos: a cap a frame", (t) => t.set(VIDEO, { cap_pixels_per_frame: true, max_video_tokens: 99 }), null],
  ["videos: limits come from the image's file where there is no other", (t) => t.remove(VIDEO), null],
  [
    "videos: and not in its top-level spelling",
    async (t) => {
      await t.remove(VIDEO);
      await t.set(IMAGE, { size: undefined, ...TOP });
    },
    null,
  ],
  [
    "videos: size in the spelling that fails",
    (t) => t.set(VIDEO, { size: { min_pixels: 1, max_pixels: 2 } }),
    /video_preprocessor_config\.json: size must have/,
  ],
  [
    "videos: another patch size",
    (t) => t.set(VIDEO, { patch_size: 14 }),
    /video_preprocessor_config\.json: patch_size is 14, but the vision tower .* 16/,
  ],
  [
    "nested and flat agree",
    async (t) =>
      t.write("processor_config.json", { image_processor: await t.json(IMAGE), video_processor: await t.json(VIDEO) }),
    null,
  ],
  [
    "nested and flat images disagree",
    async (t) => t.write("processor_config.json", { image_processor: { ...(await t.json(IMAGE)), size: EDGES } }),
    /image_processor and preprocessor_config\.json disagree: minPixels 4096 against 16384, maxPixels 50000 against 262144/,
  ],
  [
    "nested and flat videos disagree",
    async (t) =>
      t.write("processor_config.json", {
        image_processor: await t.json(IMAGE),
        video_processor: { ...(await t.json(VIDEO)), size: EDGES },
      }),
    /video_processor and video_preprocessor_config\.json disagree: minPixels 4096 against 16384, maxPixels 50000 against 1048576/,
  ],
  [
    "tokens named nowhere are the class's",
    (t) => t.set(TOKENS, { eos_token: undefined, unk_token: undefined, pad_token: undefined }),
    null,
  ],
  ["tokens named null are none", (t) => t.set(TOKENS, { unk_token: null, pad_token: null }), null],
  ["no tokenizer_config.json", (t) => t.remove(TOKENS), null],
  [
    "the map alone names the eos token",
    async (t) => {
      await t.set(TOKENS, { eos_token: undefined });
      await t.write(MAP, { eos_token: "<|im_end|>" });
    },
    null,
  ],
  [
    "the map wins over the config",
    (t) => t.write(MAP, { eos_token: "<|im_start|>", pad_token: { content: "<|im_end|>" } }),
    null,
  ],
  [
    "a plain class has no tokens by default",
    (t) => t.set(TOKENS, { tokenizer_class: "PreTrainedTokenizerFast", eos_token: undefined, unk_token: undefined }),
    null,
  ],
  ["a list of special tokens", (t) => t.set(TOKENS, { extra_special_tokens: ["<think>"] }), null],
  [
    "special tokens by name",
    (t) => t.set(TOKENS, { model_specific_special_tokens: { image_token: "<|image_pad|>" } }),
    null,
  ],
  [
    "the map names an unknown token",
    (t) => t.write(MAP, { additional_special_tokens: ["<x>"] }),
    /special_tokens_map\.json: additional_special_tokens "<x>" is not in tokenizer\.json/,
  ],
  [
    "the config names an unknown token",
    (t) => t.set(TOKENS, { extra_special_tokens: { x: "<x>" } }),
    /tokenizer_config\.json: extra_special_tokens "<x>" is not in tokenizer\.json/,
  ],
  [
    "added_tokens.json has another id",
    (t) => t.write("added_tokens.json", { "<think>": 5 }),
    /added_tokens\.json: gives "<think>" the id 5, but tokenizer\.json gives it 1998/,
  ],
  [
    "another image placeholder",
    (t) => t.set(TOKENS, { extra_special_tokens: { image_token: "<|vision_pad|>" } }),
    /extra_special_tokens\.image_token is "<\|vision_pad\|>", but the model's placeholder is <\|image_pad\|>/,
  ],
  [
    "the placeholders by name",
    (t) => t.set(TOKENS, { image_token: "<|image_pad|>", video_token: "<|video_pad|>" }),
    null,
  ],
  [
    "a decoder that lacks tokens",
    (t) => t.set(TOKENS, { added_tokens_decoder: { "1998": { content: "<think>" } } }),
    /added_tokens_decoder omits <\|endoftext\|> \(id 1974 in tokenizer\.json\): transformers 5 would renumber the tokens/,
  ],
  [
    "a decoder with another flag",
    async (t) => {
      await writeForm457(t);
      const config = await t.json(TOKENS);
      const decoder = config.added_tokens_decoder as Record<string, JsonObject>;
      await t.set(TOKENS, { added_tokens_decoder: { ...decoder, "1998": { ...decoder["1998"]!, lstrip: true } } });
    },
    /says lstrip of "<think>" is true, but tokenizer\.json says false/,
  ],
  [
    "named templates",
    async (t) => {
      await t.remove("chat_template.jinja");
      await t.set(TOKENS, {
        chat_template: [
          { name: "tool_use", template: "T" },
          { name: "default", template: "D" },
        ],
      });
    },
    null,
  ],
  [
    "named templates without a default",
    async (t) => {
      await t.remove("chat_template.jinja");
      await t.set(TOKENS, { chat_template: [{ name: "tool_use", template: "T" }] });
    },
    /tokenizer_config\.json: has the templates tool_use, but no default one/,
  ],
  [
    "chat_template.jinja wins over named ones",
    (t) =>
      t.set(TOKENS, {
        chat_template: [
          { name: "default", template: "D" },
          { name: "tool_use", template: "T" },
        ],
      }),
    null,
  ],
  ["an empty template", (t) => t.write("chat_template.jinja", ""), /chat_template\.jinja: the chat template is empty/],
];

it.each(CASES.filter(([, , message]) => message !== null))("%s is refused by name", async (_, spoil, message) => {
  await spoil(target);
  await expect(openModel(target.dir)).rejects.toMatchObject({
    code: "MODEL_INVALID",
    message: expect.stringMatching(message!),
    location: { file: expect.stringContaining(target.dir) },
  });
});

describeWithReference("as transformers loads it", (reference) => {
  const settings = (dir: string) => reference.ask<JsonObject>({ model: dir, kind: "settings" });

  /** What the reference reports, from our own reading. */
  function ours(model: ModelDirectory): JsonObject {
    const { video, processor, tokenizer } = model;
    const names = ["bos_token", "eos_token", "unk_token", "pad_token"];
    return {
      image: { ...processor },
      video: { ...video! },
      template:
        model.toolTemplate === null ? model.template : { default: model.template, tool_use: model.toolTemplate },
      special: Object.fromEntries(names.map((name) => [name, tokenizer.specialTokens[name] ?? null])),
    };
  }

  function theirs({ image, video, template, special }: JsonObject): JsonObject {
    return { image: image!, video: video!, template: template!, special: special! };
  }

  it("the stated version is the environment's", async () => {
    expect(await reference.ask({ kind: "version" })).toEqual({
      transformers: expect.stringMatching(new RegExp(`^${RULES_FOLLOW.transformers.replace(".", "\\.")}\\.`)),
    });
  });

  it.each(CASES.filter(([, , message]) => message === null))("%s", { timeout: 60_000 }, async (_, spoil) => {
    await spoil(target);
    expect(ours(await openModel(target.dir))).toEqual(theirs((await settings(target.dir)) as JsonObject));
  });

  it.each(MODEL_TYPES)(
    "%s: what this version saves reads as what it was saved from",
    { timeout: 60_000 },
    async (type) => {
      const from = await familyDirectory(type);
      const saved = scratchDirectory("saved");
      try {
        expect(await reference.ask({ model: from, kind: "save", directory: saved })).toEqual({});
        const [before, after] = [await openModel(from), await openModel(saved)];
        expect(ours(after)).toEqual(ours(before));
        expect({ ...after.config, rmsNormEps: 0 }).toEqual({ ...before.config, rmsNormEps: 0 });
        const text = "a b\u0301<|im_end|>\n\n  1234 \u4e2d\u6587 e\u0323\u0323b";
        expect(await createRenderer(after).tokenizer.encode(text)).toEqual(
          await createRenderer(before).tokenizer.encode(text),
        );
      } finally {
        await rm(from, { recursive: true, force: true });
        await rm(saved, { recursive: true, force: true });
      }
    },
  );
});

it("what other versions do is known by model type", () => {
  for (const type of MODEL_TYPES) {
    const differences = versionDifferences(type);
    expect(differences.some(({ only }) => only === "qwen3_5")).toBe(type.startsWith("qwen3_5"));
    for (const { versions, difference } of differences) expect(`${versions} ${difference}`).toMatch(/\d\.\d+|all/);
    expect(versionNotes(type)[0]).toContain(RULES_FOLLOW.transformers);
    expect(versionNotes(type, true).length).toBeGreaterThan(versionNotes(type).length);
  }
});

it("templates named tool_use render requests with tools, as transformers chooses them", async () => {
  await target.remove("chat_template.jinja");
  const named = [
    { name: "default", template: "plain" },
    { name: "tool_use", template: "with {{ tools | length }} tools" },
  ];
  await target.set(TOKENS, { chat_template: named });
  const { text } = createRenderer(await openModel(target.dir));
  const messages = [{ role: "user" as const, content: [] }];
  const tool = { type: "function", function: { name: "f" } };
  expect(text({ messages, generationPrompt: true })).toBe("plain");
  expect(text({ messages, tools: [], generationPrompt: true })).toBe("plain");
  expect(text({ messages, tools: [tool], generationPrompt: true })).toBe("with 1 tools");
});

it("the embedded target's own directory has nothing to say", async () => {
  expect((await openModel(TINY_GUI)).notes).toEqual([]);
});
