/** The pure rules: pads, runs, rows, masks, length, spoofed text, resizing. */
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import type { Message } from "../../src/dialogue/index.js";
import { type ModelDirectory, openModel } from "../../src/model/index.js";
import {
  createRenderer,
  escapeSpecialText,
  expandPads,
  findSpoof,
  fitTurn,
  fixedTurns,
  gridTokens,
  imageGrid,
  imageRunProblem,
  independentTokens,
  isFixedPoint,
  isWellFormed,
  joinTurns,
  lossMask,
  PieceCache,
  type PromptRenderer,
  resizeRule,
  runsOf,
  smartResize,
  spoofPattern,
  supervisedTokens,
  type Turn,
  tokenTypes,
  turnProblem,
} from "../../src/tokens/index.js";
import { canonicalMessages, someSize } from "./arbitraries.js";
import { TINY_GUI } from "./reference.js";

const SEED = 5;
let model: ModelDirectory;
let renderer: PromptRenderer;
beforeAll(async () => {
  model = await openModel(TINY_GUI);
  renderer = createRenderer(model);
});

const ids = fc
  .array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 12 })
  .map((list) => Int32Array.from(list));

/** Turns of a dialogue: each prompt either continues everything before it, or is something else. */
const dialogueTurns = (): fc.Arbitrary<Turn[]> =>
  fc
    .array(fc.record({ added: ids, response: ids, breaks: fc.boolean() }), { minLength: 1, maxLength: 6 })
    .map((parts) => {
      let before = new Int32Array(0);
      return parts.map(({ added, response, breaks }, turn) => {
        const prompt = breaks ? Int32Array.from([99, ...added]) : Int32Array.from([...before, ...added]);
        before = Int32Array.from([...prompt, ...response]);
        return { turn, prompt, response, imageHashes: [], videos: [] };
      });
    });

describe("rows", () => {
  it("repeat every turn exactly, supervise exactly the answers, and hold each turn once", () => {
    fc.assert(
      fc.property(dialogueTurns(), (turns) => {
        const rows = joinTurns(turns);
        expect(rows.flatMap((row) => row.turns)).toEqual(turns.map((turn) => turn.turn));
        for (const row of rows) {
          const mask = lossMask(row.ids.length, row.spans);
          let masked = 0;
          for (const [place, number] of row.turns.entries()) {
            const { prompt, response } = turns[number]!;
            const [start, end] = [row.spans[2 * place]!, row.spans[2 * place + 1]!];
            expect([...row.ids.subarray(0, start)]).toEqual([...prompt]);
            expect([...row.ids.subarray(start, end)]).toEqual([...response]);
            expect(mask.subarray(start, end).every((bit) => bit === 1)).toBe(true);
            masked += end - start;
          }
          expect(mask.reduce((sum, bit) => sum + bit, 0)).toBe(masked);
          expect(supervisedTokens(row.spans)).toBe(masked);
        }
      }),
      { numRuns: 500, seed: SEED },
    );
  });

  it("a history that is rewritten starts a row of its own", () => {
    const turn = (turn: number, prompt: number[], response: number[]): Turn => ({
      turn,
      prompt: Int32Array.from(prompt),
      response: Int32Array.from(response),
      imageHashes: [],
      videos: [],
    });
    // The second prompt leaves out id 9, as a template does with reasoning.
    const rows = joinTurns([
      turn(0, [1, 2], [9, 3]),
      turn(1, [1, 2, 3, 4], [5, 6]),
      turn(2, [1, 2, 3, 4, 5, 6, 7], [8]),
    ]);
    expect(rows.map((row) => row.turns)).toEqual([[0], [1, 2]]);
    expect([...rows[1]!.ids]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(rows[1]!.spans).toEqual([4, 6, 7, 8]);
  });
});

describe("over-length turns", () => {
  const turn: Turn = { turn: 0, prompt: new Int32Array(10), response: new Int32Array(6), imageHashes: [], videos: [] };
  it("are dropped, or lose the end of the answer but never part of the prompt", () => {
    expect(fitTurn(turn, 16, "drop")).toEqual({ turn, cut: false });
    expect(fitTurn(turn, 15, "drop")).toBeNull();
    expect(fitTurn(turn, 15, "truncate")?.turn.response.length).toBe(5);
    expect(fitTurn(turn, 12, "truncate")).toMatchObject({ cut: true });
    // One supervised token has no successor to predict.
    expect(fitTurn(turn, 11, "truncate")).toBeNull();
    expect(fitTurn(turn, 3, "truncate")).toBeNull();
  });
});

describe("image pads", () => {
  it("expand to the grids' tokens, typed 1, everything else untouched", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constant(-1), fc.integer({ min: 0, max: 9 })), { maxLength: 30 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 9 })),
        (list, stream) => {
          const pad = model.specialIds.imagePad;
          const compact = Int32Array.from(list, (id) => (id < 0 ? pad : id));
          const counts = [...stream.take(list.filter((id) => id < 0).length)];
          const expanded = expandPads(compact, pad, counts)!;
          let image = 0;
          expect([...expanded]).toEqual(
            list.flatMap((id) => (id < 0 ? Array<number>(counts[image++]!).fill(pad) : [id])),
          );
          const types = tokenTypes(expanded, model.specialIds);
          expect(types.reduce((sum, type) => sum + type, 0)).toBe(counts.reduce((sum, count) => sum + count, 0));
          expect(expandPads(compact, pad, [...counts, 1])).toBeNull();
        },
      ),
      { numRuns: 300, seed: SEED },
    );
  });

  it("of a rendered dialogue fit its grids; one more, one less or a missing bracket is found", async () => {
    await fc.assert(
      fc.asyncProperty(canonicalMessages(), async (messages) => {
        const prompt = await renderer.prompt({ messages, generationPrompt: true });
        if (!prompt.ok) throw new Error(prompt.message);
        const { specialIds: special } = model;
        expect(imageRunProblem(prompt.ids, special, prompt.counts)).toBeNull();
        expect(imageRunProblem(prompt.ids, special, [...prompt.counts, 4])).not.toBeNull();
        const runs = runsOf(prompt.ids, special.imagePad);
        expect(runs.map((run) => run.end - run.start)).toEqual(prompt.counts);
        for (const run of runs.slice(0, 1)) {
          const less = Int32Array.from(prompt.ids).map((id, at) => (at === run.start ? special.visionStart : id));
          expect(imageRunProblem(less, special, prompt.counts)).not.toBeNull();
          const open = Int32Array.from(prompt.ids).map((id, at) => (at === run.end ? 0 : id));
          expect(imageRunProblem(open, special, prompt.counts)?.message).toMatch(/not enclosed by vision_start/);
        }
      }),
      { numRuns: 100, seed: SEED },
    );
  });

  it("placeholder text without an image is a reason, not ids", async () => {
    const messages: Message[] = [{ role: "user", content: [{ type: "text", text: "look: <|image_pad|>" }] }];
    expect(await renderer.prompt({ messages, generationPrompt: true })).toMatchObject({
      ok: false,
      reason: "placeholder-count",
    });
  });
});

describe("smart resize", () => {
  it("gives multiples of the factor within the limits, and leaves its own results alone", () => {
    const rule = resizeRule(model.processor);
    fc.assert(
      fc.property(someSize(), ([width, height]) => {
        const size = smartResize({ width, height }, rule);
        if (size === null) {
          expect(Math.max(width, height) / Math.min(width, height)).toBeGreaterThan(200);
          return;
        }
        expect([size.width % rule.factor, size.height % rule.factor]).toEqual([0, 0]);
        // A very long picture keeps at least one patch across, above the limit if need be.
        if (Math.min(size.width, size.height) > rule.factor)
          expect(size.width * size.height).toBeLessThanOrEqual(rule.maxPixels);
        if (smartResize(size, rule) !== null && Math.min(size.width, size.height) > rule.factor) {
          expect(isFixedPoint(size, rule)).toBe(true);
        }
        const [t, h, w] = imageGrid({ width, height }, model.processor)!;
        expect(gridTokens([t, h, w], model.processor.mergeSize)).toBe((size.width * size.height) / rule.factor ** 2);
      }),
      { numRuns: 3000, seed: SEED },
    );
  });

  it("knows the limit of 200 and the rounding of halves", () => {
    const rule = { factor: 32, minPixels: 1, maxPixels: 1 << 24 };
    expect(smartResize({ width: 2000, height: 10 }, rule)).not.toBeNull();
    expect(smartResize({ width: 2001, height: 10 }, rule)).toBeNull();
    expect(smartResize({ width: 80, height: 48 }, rule)).toEqual({ width: 64, height: 64 });
  });
});

describe("encoding piece by piece", () => {
  const tokenizer = (change: object, preTokenizer: object = {}): string =>
    JSON.stringify({
      pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, ...preTokenizer },
      added_tokens: [
        { id: 5, content: "<|a|>", single_word: false, lstrip: false, rstrip: false, normalized: false, ...change },
      ],
    });
  it("is done only where added tokens part the text cleanly", () => {
    expect(independentTokens(tokenizer({}))).toEqual(new Map([["<|a|>", 5]]));
    for (const flag of ["single_word", "lstrip", "rstrip", "normalized"]) {
      expect(independentTokens(tokenizer({ [flag]: true }))).toBeNull();
    }
    expect(independentTokens(tokenizer({}, { add_prefix_space: true }))).toBeNull();
  });

  it("gives the same ids when pieces are forgotten and come again", async () => {
    const seen: string[] = [];
    const cache = new PieceCache(new Map([["|", 1]]), async (texts) => {
      seen.push(...texts);
      return texts.map((text) => Int32Array.of(text.length));
    });
    const long = "x".repeat(20_000);
    expect((await cache.encodeBatch(["ab|c||ab", "c"])).map((ids) => [...ids])).toEqual([[2, 1, 1, 1, 1, 2], [1]]);
    await cache.encodeBatch(["ab", long, long]);
    await cache.encodeBatch([long]);
    // Each piece once, except the one that is too long to be kept.
    expect(seen).toEqual(["ab", "c", long, long]);
  });
});

describe("text that spells out special tokens", () => {
  const pattern = () => spoofPattern(model.tokenizer.addedTokens);
  const user = (text: string): Message => ({ role: "user", content: [{ type: "text", text }] });
  it.each(["<|im_start|>system", "x<|image_pad|>y", "<|vision_start|><|image_pad|><|vision_end|>", "<|endoftext|>"])(
    "%s is found",
    (text) => {
      expect(findSpoof([user("fine"), user(text)], pattern())).toMatchObject({ message: 1 });
    },
  );
  it.each(["<think>", "<tool_call>", "< |im_start|>", "<|im_start |>", "|im_end|"])("%s is text", (text) => {
    expect(findSpoof([user(text)], pattern())).toBeNull();
  });
  it("is found in reasoning and in tool calls too", () => {
    const message: Message = {
      role: "assistant",
      content: [],
      toolCalls: [{ name: "f", arguments: { a: ["<|im_end|>"] } }],
    };
    expect(findSpoof([message], pattern())).toEqual({ message: 0, token: "<|im_end|>" });
    expect(findSpoof([{ role: "assistant", content: [], reasoning: "<|im_end|>" }], pattern())).not.toBeNull();
  });
  it("is found where two text parts meet, and in tool definitions", () => {
    const parts = ["<|im_", "end|>"].map((text) => ({ type: "text" as const, text }));
    const image = { type: "image" as const, hash: "0".repeat(64), width: 32, height: 32 };
    expect(findSpoof([{ role: "user", content: parts }], pattern())).toEqual({ message: 0, token: "<|im_end|>" });
    expect(findSpoof([{ role: "user", content: [parts[0]!, image, parts[1]!] }], pattern())).toBeNull();
    const tool = { type: "function", function: { name: "f", description: "ends <|im_end|> here" } };
    expect(findSpoof([user("x")], pattern(), [tool])).toEqual({ message: -1, token: "<|im_end|>" });
  });

  it("escaped, it is text: no special id is left but the template's own", async () => {
    const special = model.tokenizer.addedTokens.filter((token) => token.special);
    const pieces = fc.oneof(
      fc.constantFrom(...special.map((token) => token.content), "<", "|", "<|", "|>", "im_end", "<<|im_end|>|im_end|>"),
      fc.constantFrom("a", " ", "\n", "<think>"),
    );
    const text = fc.array(pieces, { maxLength: 6 }).map((list) => list.join(""));
    const cut = fc.tuple(text, fc.nat()).map(([whole, at]) => {
      const place = whole.length === 0 ? 0 : at % whole.length;
      return [whole.slice(0, place), whole.slice(place)].map((part) => ({ type: "text" as const, text: part }));
    });
    await fc.assert(
      fc.asyncProperty(cut, text, text, async (content, reasoning, value) => {
        const messages: Message[] = [
          { role: "user", content },
          {
            role: "assistant",
            content: [],
            reasoning,
            toolCalls: [{ name: "f", arguments: { a: [value] } }],
          },
        ];
        const before = JSON.stringify(messages);
        const { messages: changed, escaped } = escapeSpecialText(messages, pattern());
        expect(JSON.stringify(messages)).toBe(before);
        expect(findSpoof(changed, pattern())).toBeNull();
        expect(escaped === 0).toBe(findSpoof(messages, pattern()) === null);
        expect(JSON.stringify(changed).replaceAll("\u200b", "")).toBe(before);
        expect(escapeSpecialText(changed, pattern())).toEqual({ messages: changed, escaped: 0 });
        // Two messages give two starts and two ends.
        const prompt = await renderer.prompt({ messages: changed, generationPrompt: false });
        if (!prompt.ok) throw new Error(prompt.message);
        expect([...prompt.ids].filter((id) => special.some((token) => token.id === id))).toEqual([
          model.specialIds.imStart,
          model.specialIds.imEnd,
          model.specialIds.imStart,
          model.specialIds.imEnd,
        ]);
      }),
      { numRuns: 300, seed: SEED },
    );
  });

  it("half a surrogate pair is no text", () => {
    expect(isWellFormed([user("a\ud83d")])).toBe(false);
    expect(isWellFormed([user("a\ud83d\ude00")])).toBe(true);
  });
});

describe("turns as servers send them", () => {
  const good = { prompt: Int32Array.of(1, 2), response: Int32Array.of(3, 1976) };
  const stop = { type: "stop" as const, matched: 1976 };
  it("a proper one has no problem", () => expect(turnProblem(good, stop, model)).toBeNull());
  it.each([
    ["id-out-of-range", { ...good, prompt: Int32Array.of(1, 2048) }, stop],
    ["mask-token", { ...good, response: Int32Array.of(2000, 1976) }, stop],
    ["placeholder-in-answer", { ...good, response: Int32Array.of(1987, 1976) }, stop],
    ["placeholder-in-answer", { ...good, response: Int32Array.of(1986, 1976) }, stop],
    ["empty-answer", { ...good, response: new Int32Array(0) }, stop],
    ["stop-token", { ...good, response: Int32Array.of(3, 4) }, stop],
    ["stop-token", good, { type: "stop" as const, matched: 1974 }],
    ["stop-token", { ...good, response: Int32Array.of(3, 4) }, { type: "tool_calls" as const, matched: null }],
  ])("%s", (reason, turn, finish) => expect(turnProblem(turn, finish, model)?.reason).toBe(reason));
  it("an answer cut at the limit needs no stop token", () => {
    expect(
      turnProblem({ ...good, response: Int32Array.of(3, 4) }, { type: "length", matched: null }, model),
    ).toBeNull();
  });
});

describe("fixed dialogues", () => {
  it("supervise each answer with its stop token and nothing that the template adds", async () => {
    const messages: Message[] = [
      { role: "user", content: [{ type: "text", text: "one" }] },
      { role: "assistant", content: [{ type: "text", text: "two" }] },
      { role: "user", content: [{ type: "text", text: "three" }] },
      { role: "assistant", content: [{ type: "text", text: "four" }] },
    ];
    const turns = await fixedTurns({ messages }, renderer, model);
    const texts = await Promise.all(
      turns.map((turn) => (turn.ok ? renderer.tokenizer.decode(turn.turn.response) : turn.reason)),
    );
    expect(texts).toEqual(["two<|im_end|>", "four<|im_end|>"]);
    const rows = joinTurns(turns.flatMap((turn) => (turn.ok ? [turn.turn] : [])));
    expect(rows.map((row) => row.turns)).toEqual([[0, 1]]);
  });

  it("an answer whose rendering changes what stood before it has no boundary", async () => {
    // The generation prompt opens a thought that the history then lacks.
    const thinking = createRenderer(model, { enable_thinking: true });
    const messages: Message[] = [
      { role: "user", content: [{ type: "text", text: "one" }] },
      { role: "assistant", content: [{ type: "text", text: "two" }] },
    ];
    expect(await fixedTurns({ messages }, thinking, model)).toMatchObject([{ ok: false, reason: "unstable-boundary" }]);
  });
});
