/** Texts, sizes and dialogues that find what a naive implementation gets wrong. */
import fc from "fast-check";
import type { JsonObject, JsonValue } from "../../src/base/index.js";
import type { ContentPart, Message } from "../../src/dialogue/index.js";

const AWKWARD = [
  "  ",
  "\n",
  "\n\n",
  "\r\n",
  " \n ",
  "\t",
  "\u00a0",
  "\u0085",
  "\u2028",
  "\ufeff",
  "\u200b",
  "\u001c",
  "\u3000",
  "e\u0301",
  "\u00e9",
  "\u1e9b\u0323",
  // Composes with the last letter of an added token, were the two not parted first.
  "\u0338",
  "\u0915\u093c",
  "\u0e01\u0e33",
  "\u0915\u094d\u0937",
  "\u4e2d\u6587",
  "\ud55c\uae00",
  "\u1112\u1161\u11ab",
  "\ud83d\ude00",
  "\ud83d\udc68\u200d\ud83d\udc69\u200d\ud83d\udc67",
  "\ufb01",
  "\u017f",
  "\u0130",
  "\u00df",
  "don't",
  "DON'T",
  "we\u2019ll",
  "'S",
  "1234567",
  "\u00bd",
  "\u0663",
  "!!!",
  "...",
  "/home/x",
  "https://a.b/c?d=e&f=g#h",
  '{"a": [1, 2.5]}',
  "<b>",
  "&amp;",
  "\\n",
  "%s",
  "{{ x }}",
  "{% if %}",
  "Hello",
  " world",
  "The quick brown fox",
  "assistant",
  "user\n",
  "think",
  "</s>",
  "\u0000",
  "\u007f",
];
const SPECIAL = [
  "<think>",
  "</think>",
  "<tool_call>",
  "</tool_response>",
  "<|im_start|>",
  "<|im_end|>",
  "<|image_pad|>",
  "<|vision_start|>",
  "<|endoftext|>",
  "<|im_",
  "|>",
];

function pieces(...extra: readonly string[]): fc.Arbitrary<string> {
  const piece = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...AWKWARD, ...extra) },
    { weight: 1, arbitrary: fc.string({ unit: "grapheme", maxLength: 8 }) },
    { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 4 }) },
    { weight: 1, arbitrary: fc.stringMatching(/^[a-zA-Z ]{1,12}$/) },
  );
  return fc.array(piece, { maxLength: 8 }).map((parts) => parts.join(""));
}

/** Any valid Unicode text, special tokens included. */
export const someText = (): fc.Arbitrary<string> => pieces(...SPECIAL);

/** Text that a user may write: without special tokens, with thinking marks that templates look for. */
export const plainText = (): fc.Arbitrary<string> => pieces("<think>", "</think>", "<tool_call>", "</tool_response>");

/** Text with combining marks after letters, where the two families' split rules part. */
export const withMarks = (): fc.Arbitrary<string> =>
  fc
    .tuple(
      someText(),
      fc.constantFrom("", "e\u0301\u0323a\u0300", "\u0915\u094d\u0937\u093f", "x\u20e3\ufe0f", "x\u0323\u0323b"),
      someText(),
    )
    .map((parts) => parts.join(""));

/** Frames, width, height. */
export const someVideoSize = (): fc.Arbitrary<[number, number, number]> =>
  fc
    .tuple(fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 800 })), someSize())
    .map(([frames, [width, height]]): [number, number, number] => [frames, width, height]);

export const someSize = (): fc.Arbitrary<[number, number]> =>
  fc.oneof(
    fc.tuple(fc.integer({ min: 1, max: 4000 }), fc.integer({ min: 1, max: 4000 })),
    fc.tuple(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 20_000 })),
    fc.tuple(fc.integer({ min: 1, max: 20_000 }), fc.integer({ min: 1, max: 100 })),
    // Half-way between multiples, and one pixel beside.
    fc
      .tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 60 }), fc.integer({ min: -1, max: 1 }))
      .map(([a, b, d]): [number, number] => [a * 16 + 16 + d, b * 16]),
  );

/** Sizes of pictures worth processing for real, rarely extreme. */
const pictureSize = (): fc.Arbitrary<[number, number]> =>
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.constantFrom<[number, number]>([320, 192], [256, 256], [256, 192], [100, 150], [31, 17]),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.integer({ min: 1, max: 700 }), fc.integer({ min: 5, max: 700 }))
        .filter(([w, h]) => Math.max(w, h) / Math.min(w, h) <= 200),
    },
  );

function imagePart([width, height]: [number, number]): ContentPart {
  return { type: "image", hash: `${width}x${height}`.padEnd(64, "f").replace("x", "a"), width, height };
}

/** Few and small frames, even and odd numbers of them, at rates whose times fall between tenths. */
const videoPart = (): fc.Arbitrary<ContentPart> =>
  fc
    .record({
      frames: fc.integer({ min: 2, max: 7 }),
      size: fc.constantFrom<[number, number]>([64, 64], [96, 160], [31, 17], [200, 40], [320, 192]),
      fps: fc.constantFrom(1, 2, 4, 8, 10, 20, 24, 25, 29.97, 30, 1000),
      first: fc.integer({ min: 0, max: 5000 }),
      // Fractions are timestamps in seconds, where fps is 1.
      step: fc.constantFrom(1, 2, 3, 12, 15, 48, 0.1, 0.25, 0.35, 1 / 3),
    })
    .map(({ frames, size: [width, height], fps, first, step }) => ({
      type: "video",
      frames: Array.from({ length: frames }, (_, index) => ({ hash: `${index}`.padEnd(64, "e"), width, height })),
      fps,
      indices: Array.from({ length: frames }, (_, index) => first + index * step),
    }));

const textPart = (): fc.Arbitrary<ContentPart> => plainText().map((text) => ({ type: "text", text }));
const userParts = (more: fc.Arbitrary<ContentPart>[]): fc.Arbitrary<ContentPart[]> =>
  fc.array(
    fc.oneof(
      { weight: 2, arbitrary: textPart() },
      { weight: 1, arbitrary: pictureSize().map(imagePart) },
      ...more.map((arbitrary) => ({ weight: 1, arbitrary })),
    ),
    { maxLength: 4 },
  );

/** Tool definitions as the servers get them, or none. */
export const toolDefinitions = (): fc.Arbitrary<JsonObject[] | undefined> =>
  fc.option(
    fc
      .array(jsonValue(), { maxLength: 2 })
      .map((list) =>
        list.map(
          (parameters, index) => ({ type: "function", function: { name: `f${index}`, parameters } }) as JsonObject,
        ),
      ),
    { nil: undefined },
  );

/** JSON without whole numbers beyond 64 bits, which are refused because servers differ about them. */
export const jsonValue = (): fc.Arbitrary<JsonValue> => fc.jsonValue().map(shrinkIntegers);

function shrinkIntegers(value: fc.JsonValue): JsonValue {
  if (typeof value === "number") return Number.isInteger(value) && Math.abs(value) < 1e21 ? value % 2 ** 53 : value;
  if (Array.isArray(value)) return value.map(shrinkIntegers);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, shrinkIntegers(member ?? null)]));
}

const toolCall = () =>
  fc.record({
    name: fc.stringMatching(/^[a-z_]{1,8}$/),
    arguments: fc.dictionary(plainText(), jsonValue(), { maxKeys: 3 }),
  });

function assistant(): fc.Arbitrary<Message> {
  return fc
    .record({
      text: plainText(),
      reasoning: fc.option(plainText(), { nil: undefined }),
      calls: fc.option(fc.array(toolCall(), { minLength: 1, maxLength: 2 }), { nil: undefined, freq: 4 }),
    })
    .map(({ text, reasoning, calls }) => ({
      role: "assistant",
      content: [{ type: "text", text }],
      ...(reasoning === undefined ? {} : { reasoning }),
      ...(calls === undefined ? {} : { toolCalls: calls }),
    }));
}

/** System prompt or none, then turns of user (or tool) and assistant messages. */
export function canonicalMessages(): fc.Arbitrary<Message[]> {
  return messagesOf([]);
}

/** The same with videos among the content. */
export function promptMessages(): fc.Arbitrary<Message[]> {
  return messagesOf([videoPart()]);
}

function messagesOf(more: fc.Arbitrary<ContentPart>[]): fc.Arbitrary<Message[]> {
  const parts = userParts(more);
  const asking = fc.oneof(
    { weight: 4, arbitrary: parts.map((content): Message => ({ role: "user", content })) },
    { weight: 1, arbitrary: parts.map((content): Message => ({ role: "tool", content, toolCallId: "call_0" })) },
  );
  const turn = fc.tuple(asking, assistant()).map(([question, answer]): Message[] => [question, answer]);
  const system = fc.option(
    plainText().map((text): Message => ({ role: "system", content: [{ type: "text", text }] })),
    { nil: undefined },
  );
  return fc
    .tuple(system, fc.array(turn, { maxLength: 3 }), asking)
    .map(([first, turns, last]) => [...(first === undefined ? [] : [first]), ...turns.flat(), last]);
}
