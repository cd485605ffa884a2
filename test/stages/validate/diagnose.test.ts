/** The likely cause, for generated chats: each known difference is named whatever the chat, and nothing makes it fail. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { imagesOf, type Message } from "../../../src/dialogue/index.js";
import { openModel } from "../../../src/model/index.js";
import { likelyCause } from "../../../src/stages/validate/diagnose.js";
import { textCause } from "../../../src/stages/validate/text-cause.js";
import { createRenderer } from "../../../src/tokens/index.js";
import { canonicalMessages } from "../../tokens/arbitraries.js";
import { TINY_GUI } from "../../tokens/reference.js";

const model = await openModel(TINY_GUI);
const plain = createRenderer(model);
const subject = { model, renderer: plain, spell: (id: number) => model.tokenizer.tokenOf(id) ?? "?" };

const withKwargs = { on: createRenderer(model, { enable_thinking: true }), off: plain };

async function rendered(messages: readonly Message[], thinking: "on" | "off" = "off") {
  const prompt = await withKwargs[thinking].prompt({ messages, generationPrompt: true });
  return prompt.ok ? prompt : null;
}

const cause = (messages: readonly Message[], ours: Int32Array, theirs: Int32Array) =>
  likelyCause(subject, { ours, theirs, images: imagesOf(messages) });

describe("the likely cause", () => {
  it("is the missing line end, whatever the chat", async () => {
    await fc.assert(
      fc.asyncProperty(canonicalMessages(), async (messages) => {
        const prompt = await rendered(messages);
        if (prompt === null) return;
        const newline = prompt.ids.length - 1;
        expect(await cause(messages, prompt.ids, prompt.ids.subarray(0, newline))).toBe(
          "the server's prompt lacks the trailing newline after assistant",
        );
        expect(await cause(messages, prompt.ids.subarray(0, newline), prompt.ids)).toBe(
          "the server's prompt has a newline after assistant that is not rendered here",
        );
      }),
      { numRuns: 100 },
    );
  });

  it("is the BOS token, whatever the chat", async () => {
    const bos = model.tokenizer.idOf("<|endoftext|>")!;
    await fc.assert(
      fc.asyncProperty(canonicalMessages(), async (messages) => {
        const prompt = await rendered(messages);
        if (prompt === null) return;
        const longer = Int32Array.from([bos, ...prompt.ids]);
        expect(await cause(messages, prompt.ids, longer)).toMatch(/begins with the BOS token "<\|endoftext\|>"/);
        expect(await cause(messages, longer, prompt.ids)).toMatch(/lacks the BOS token "<\|endoftext\|>"/);
      }),
      { numRuns: 100 },
    );
  });

  it("is the thinking switch, whatever the chat", async () => {
    await fc.assert(
      fc.asyncProperty(canonicalMessages(), async (messages) => {
        const [off, on] = [await rendered(messages), await rendered(messages, "on")];
        if (off === null || on === null) return;
        expect(await cause(messages, off.ids, on.ids)).toMatch(/^thinking is on at the server and off here/);
        expect(await cause(messages, on.ids, off.ids)).toMatch(/^thinking is off at the server and on here/);
      }),
      { numRuns: 100 },
    );
  });

  it("is the system prompt, whatever follows it", async () => {
    const other: Message = { role: "system", content: [{ type: "text", text: "Some other words." }] };
    await fc.assert(
      fc.asyncProperty(canonicalMessages(), async (messages) => {
        const has = messages[0]?.role === "system";
        const prompt = await rendered(messages);
        const changed = await rendered([other, ...(has ? messages.slice(1) : messages)]);
        if (prompt === null || changed === null) return;
        const words = await cause(messages, prompt.ids, changed.ids);
        expect(words).toMatch(has ? /^the system prompt differs / : /^the server puts a system prompt in front/);
        expect(words).toContain("Some other words.");
      }),
      { numRuns: 100 },
    );
  });

  it("is some words for any two sequences of ids, also ids that no vocabulary has", async () => {
    const ids = fc.array(
      fc.oneof(fc.integer({ min: 0, max: 2047 }), fc.constantFrom(1986, 1983, 1984, 2047, 2048, 999_999)),
      { maxLength: 30 },
    );
    await fc.assert(
      fc.asyncProperty(ids, ids, canonicalMessages(), async (a, b, messages) => {
        fc.pre(a.join() !== b.join());
        expect((await cause(messages, Int32Array.from(a), Int32Array.from(b))).length).toBeGreaterThan(10);
      }),
      { numRuns: 300 },
    );
  });

  it("is some words for any two texts, however they are broken off", () => {
    const pieces = [
      "<|im_start|>",
      "<|im_end|>",
      "<think>",
      "</think>",
      "assistant",
      "system",
      "\n",
      " ",
      "a",
      "<tools>",
    ];
    const text = fc.array(fc.constantFrom(...pieces), { maxLength: 12 }).map((parts) => parts.join(""));
    fc.assert(
      fc.property(text, text, (a, b) => {
        fc.pre(a !== b);
        expect(textCause(a, b).length).toBeGreaterThan(10);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("pixel limits", () => {
  const user = (width: number, height: number): Message[] => [
    { role: "user", content: [{ type: "image", hash: "a".repeat(64), width, height }] },
  ];

  const idsAt = async (messages: Message[], maxPixels: number): Promise<Int32Array | null> => {
    const other = { ...model, processor: { ...model.processor, maxPixels } };
    const prompt = await createRenderer(other).prompt({ messages, generationPrompt: true });
    return prompt.ok ? prompt.ids : null;
  };

  it("the range that is named holds the server's limit, and no limit beside it gives the count", async () => {
    // From 17 pixels: a side of one patch, which no limit shrinks further.
    const side = fc.oneof(fc.integer({ min: 64, max: 600 }), fc.integer({ min: 17, max: 64 }));
    const limit = fc.oneof(fc.integer({ min: 20_000, max: 200_000 }), fc.integer({ min: 2048, max: 20_000 }));
    await fc.assert(
      fc.asyncProperty(side, side, limit, async (width, height, maxPixels) => {
        const messages = user(width, height);
        const [ours, theirs] = [await rendered(messages), await idsAt(messages, maxPixels)];
        if (ours === null || theirs === null || ours.ids.length === theirs.length) return;
        const words = await cause(messages, ours.ids, theirs);
        const [least, greatest] = /max_pixels is between ([\d,]+) and ([\d,]+)/.exec(words)!.slice(1).map(plainNumber);
        expect(least).toBeLessThanOrEqual(maxPixels);
        expect(greatest).toBeGreaterThanOrEqual(maxPixels);
        for (const inside of [least!, greatest!]) {
          expect((await idsAt(messages, inside))?.length).toBe(theirs.length);
        }
        for (const outside of [least! - 1, greatest! + 1].filter((pixels) => pixels > 0)) {
          expect((await idsAt(messages, outside))?.length).not.toBe(theirs.length);
        }
      }),
      {
        numRuns: 300,
        examples: [
          // A narrow picture: both sides round down, to less than half of what the limit allows.
          [64, 313, 20_000],
          // Only limits from 19,976 to 20,479 give this count: less than half a token above the last other one.
          [317, 65, 20_000],
          // The side of one patch stays, and the other one grows beyond its own size, or keeps it.
          [17, 600, 19_000],
          [81, 17, 2048],
        ],
      },
    );
  });
});

function plainNumber(words: string): number {
  return Number(words.replaceAll(",", ""));
}
