/** Rendering, tokenization, expansion and sizes against transformers' own processor. Skipped without Python. */
import { rm } from "node:fs/promises";
import fc from "fast-check";
import { beforeAll, expect, it } from "vitest";
import { MODEL_TYPES, type ModelDirectory, openModel } from "../../src/model/index.js";
import { createRenderer, imageGrid, smartResize, videoSmartResize } from "../../src/tokens/index.js";
import { promptMessages, someSize, someText, someVideoSize, toolDefinitions, withMarks } from "./arbitraries.js";
import { type Chat, compareChat } from "./chats.js";
import { familyDirectory } from "./families.js";
import { TINY_GUI } from "./reference.js";
import { describeWithReference } from "./with-reference.js";

/** DRAFTSMITH_PARITY=20 makes the run twenty times as long; parity-run.ts is the way to a million texts. */
const SCALE = Number(process.env.DRAFTSMITH_PARITY ?? "1");
const anyChat = (): fc.Arbitrary<Chat> =>
  fc.record({
    messages: promptMessages(),
    tools: toolDefinitions(),
    kwargs: fc.constantFrom({}, { enable_thinking: true }, { enable_thinking: false }),
    generationPrompt: fc.boolean(),
  });
const SEED = Number(process.env.DRAFTSMITH_PARITY_SEED ?? "20261124");

describeWithReference("parity with transformers", (reference) => {
  let model: ModelDirectory;
  beforeAll(async () => {
    model = await openModel(TINY_GUI);
  });

  const expectEqual = async (opened: ModelDirectory, chat: Chat): Promise<void> => {
    expect(await compareChat(reference, opened, chat)).toBeNull();
  };

  it("chats with system prompts, turns, images, videos, tools and thinking: ids, types, grids and positions", {
    timeout: 600_000 * Math.max(1, SCALE / 20),
  }, async () => {
    await fc.assert(
      fc.asyncProperty(anyChat(), (chat) => expectEqual(model, chat)),
      { numRuns: 300 * SCALE, seed: SEED },
    );
  });

  it("any text has the reference's ids, and decoding them gives the reference's text", {
    timeout: 600_000 * Math.max(1, SCALE / 20),
  }, async () => {
    const { tokenizer } = createRenderer(model);
    await fc.assert(
      fc.asyncProperty(fc.array(someText(), { minLength: 50, maxLength: 50 }), async (texts) => {
        const theirs = await reference.ask<{ ids: number[][] }>({ kind: "texts", texts });
        if ("error" in theirs) throw new Error(theirs.error);
        const ours = (await tokenizer.encodeBatch(texts)).map((ids) => [...ids]);
        expect(ours).toEqual(theirs.ids);
        const decoded = await reference.ask<{ texts: string[] }>({ kind: "decode", ids: ours });
        expect(decoded).toEqual({ texts: await Promise.all(ours.map((ids) => tokenizer.decode(ids))) });
      }),
      { numRuns: 100 * SCALE, seed: SEED },
    );
  });

  it("image sizes are resized as the reference does, extreme shapes and rules included", {
    timeout: 600_000 * Math.max(1, SCALE / 20),
  }, async () => {
    const rules = [
      undefined,
      { factor: 32, min_pixels: 65_536, max_pixels: 16_777_216 },
      { factor: 28, min_pixels: 3136, max_pixels: 1_003_520 },
      { factor: 32, min_pixels: 1, max_pixels: 1024 },
    ];
    await fc.assert(
      fc.asyncProperty(
        fc.array(someSize(), { minLength: 500, maxLength: 500 }),
        fc.constantFrom(...rules),
        async (sizes, rule) => {
          const theirs = await reference.ask<{ sizes: ([number, number] | null)[] }>({ kind: "sizes", sizes, rule });
          if ("error" in theirs) throw new Error(theirs.error);
          const ours = sizes.map(([width, height]) => {
            if (rule === undefined) {
              const grid = imageGrid({ width, height }, model.processor);
              return grid === null ? null : [grid[2] * model.processor.patchSize, grid[1] * model.processor.patchSize];
            }
            const resized = smartResize(
              { width, height },
              { factor: rule.factor, minPixels: rule.min_pixels, maxPixels: rule.max_pixels },
            );
            return resized === null ? null : [resized.width, resized.height];
          });
          expect(ours).toEqual(theirs.sizes);
        },
      ),
      { numRuns: 20 * SCALE, seed: SEED },
    );
  });

  it("video sizes are resized as the reference does, from single frames to long videos", {
    timeout: 60_000,
  }, async () => {
    const rule = { factor: 32, minPixels: 16_384, maxPixels: 1_048_576 };
    const sizes = fc.sample(someVideoSize(), { numRuns: 5000 * SCALE, seed: SEED });
    const theirs = await reference.ask({
      kind: "videoSizes",
      sizes,
      rule: { factor: 32, min_pixels: rule.minPixels, max_pixels: rule.maxPixels, temporal_factor: 2 },
    });
    const ours = sizes.map(([frames, width, height]) => {
      const resized = videoSmartResize(frames, { width, height }, rule, 2);
      return resized === null ? null : [resized.width, resized.height];
    });
    expect({ sizes: ours }).toEqual(theirs);
  });

  it.each(MODEL_TYPES)(
    "%s: chats and texts, marks and all, as its own processor has them",
    { timeout: 300_000 },
    async (type) => {
      const dir = await familyDirectory(type);
      try {
        const opened = await openModel(dir);
        const { tokenizer } = createRenderer(opened);
        // Marks after letters are where the two families' split rules part.
        await fc.assert(
          fc.asyncProperty(fc.array(withMarks(), { minLength: 100, maxLength: 100 }), async (list) => {
            const theirs = await reference.ask<{ ids: number[][] }>({ model: dir, kind: "texts", texts: list });
            if ("error" in theirs) throw new Error(theirs.error);
            expect((await tokenizer.encodeBatch(list)).map((ids) => [...ids])).toEqual(theirs.ids);
          }),
          { numRuns: 20 * SCALE, seed: SEED },
        );
        await fc.assert(
          fc.asyncProperty(anyChat(), (chat) => expectEqual(opened, chat)),
          { numRuns: 20 * SCALE, seed: SEED },
        );
      } finally {
        await rm(dir, { recursive: true, force: true });
      }
    },
  );

  it("the two families part at marks after letters", async () => {
    const ids = await Promise.all(
      (["qwen3_vl", "qwen3_5"] as const).map(async (type) => {
        const dir = await familyDirectory(type);
        const { tokenizer } = createRenderer(await openModel(dir));
        await rm(dir, { recursive: true, force: true });
        return [...(await tokenizer.encode(" x\u0323\u0323b"))];
      }),
    );
    expect(ids[0]).not.toEqual(ids[1]);
  });

  it("encoding piece by piece equals encoding whole texts", async () => {
    const { Tokenizer: NativeTokenizer } = await import("tokenizers");
    const native = NativeTokenizer.fromString(model.tokenizer.effectiveJson);
    const { tokenizer } = createRenderer(model);
    await fc.assert(
      fc.asyncProperty(fc.array(someText(), { maxLength: 20 }), async (texts) => {
        const whole = await native.encodeBatch(texts, { addSpecialTokens: false });
        expect((await tokenizer.encodeBatch(texts)).map((ids) => [...ids])).toEqual(
          whole.map((encoding) => encoding.getIds()),
        );
      }),
      { numRuns: 200 * SCALE, seed: SEED },
    );
  });
});
