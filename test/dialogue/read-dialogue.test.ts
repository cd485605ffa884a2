import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DIALOGUE_REASONS, type DialogueForm, type RawMessage, readDialogue } from "../../src/dialogue/index.js";
import { CARRIER_CASES, RESULT_CASES } from "./refused-rows.js";

function accepted(row: unknown, form: DialogueForm | "auto" = "auto") {
  const result = readDialogue(row, form);
  if (!result.ok) throw new Error(`${result.reason}: ${result.message}`);
  return result;
}
const messagesOf = (row: unknown, form?: DialogueForm) => accepted(row, form).dialogue.messages;
function reasonOf(row: unknown, form: DialogueForm | "auto" = "auto"): string {
  const result = readDialogue(row, form);
  return result.ok ? "accepted" : result.reason;
}

const text = (words: string) => ({ type: "text" as const, text: words });
const image = (reference: string) => ({ type: "image" as const, reference });
const user = (content: unknown) => ({ role: "user", content });
const assistant = (content: unknown) => ({ role: "assistant", content });

/** A row that asks about a video of two frames. */
const video = (fields: object) => ({ messages: [user([{ type: "video", frames: ["0.png", "1.png"], ...fields }])] });

describe("videos as lists of frames", () => {
  it.each<[string, object, object]>([
    ["a rate", { fps: 2 }, { fps: 2, indices: [0, 1] }],
    [
      "a rate and places in the video it belongs to",
      { fps: 29.97, indices: [4, 64] },
      { fps: 29.97, indices: [4, 64] },
    ],
    ["seconds", { timestamps: [0.5, 2.25] }, { fps: 1, indices: [0.5, 2.25] }],
    ["qwen-vl-utils' rate", { sample_fps: "0.5" }, { fps: 0.5, indices: [0, 1] }],
    ["both of its rates, if they are one", { sample_fps: 2, raw_fps: 2 }, { fps: 2, indices: [0, 1] }],
  ])("with %s", (_, fields, times) => {
    const wanted = [{ role: "user", content: [{ type: "video", frames: ["0.png", "1.png"], ...times }] }];
    expect(messagesOf(video(fields))).toEqual(wanted);
  });

  it("in qwen-vl-utils' spelling, frames named in any way that images are", () => {
    const part = { type: "video", video: ["file:///a/0.png", { url: "1.png" }, { path: "2.png" }], sample_fps: 1 };
    expect(messagesOf({ messages: [user([{ type: "text", text: "what?" }, part])] })).toEqual([
      {
        role: "user",
        content: [
          text("what?"),
          { type: "video", frames: ["file:///a/0.png", "1.png", "2.png"], fps: 1, indices: [0, 1, 2] },
        ],
      },
    ]);
  });

  it("the words of a refusal say what to do", () => {
    const result = readDialogue({ messages: [user([{ type: "video", video: "a.mp4" }])] }, "auto");
    expect(result).toMatchObject({ message: expect.stringMatching(/^message 0, part 0: .*extract its frames first/) });
  });
});

describe("OpenAI messages", () => {
  it("with text and image parts, a system prompt, tools and tags", () => {
    const row = {
      id: 7,
      messages: [
        { role: "developer", content: "be brief" },
        user([
          { type: "text", text: "what?" },
          { type: "image_url", image_url: { url: "a.png" } },
          { type: "image", image: "b.png" },
        ]),
        {
          role: "assistant",
          content: null,
          reasoning_content: "hm",
          tool_calls: [{ id: "c1", type: "function", function: { name: "tap", arguments: '{"x": 1}' } }],
        },
        { role: "tool", tool_call_id: "c1", content: "" },
        assistant("done"),
      ],
      tools: [{ type: "function", function: { name: "tap" } }],
      tags: { app: "mail", size: 3, none: null },
    };
    const { form, dialogue } = accepted(row);
    expect(form).toBe("openai");
    expect(dialogue).toEqual({
      id: "7",
      tools: row.tools,
      tags: { app: "mail", size: "3" },
      messages: [
        { role: "system", content: [text("be brief")] },
        { role: "user", content: [text("what?"), image("a.png"), image("b.png")] },
        {
          role: "assistant",
          content: [],
          reasoning: "hm",
          toolCalls: [{ id: "c1", name: "tap", arguments: { x: 1 } }],
        },
        { role: "tool", content: [], toolCallId: "c1" },
        { role: "assistant", content: [text("done")] },
      ],
    });
  });

  it("with a list of images for placeholders or bare parts", () => {
    const row = {
      images: ["a.png", { path: "b.png" }],
      messages: [user("one <image> two"), assistant("<image>"), user([{ type: "image" }, "x"])],
    };
    expect(messagesOf(row)).toEqual([
      { role: "user", content: [text("one "), image("a.png"), text(" two")] },
      { role: "assistant", content: [text("<image>")] },
      { role: "user", content: [image("b.png"), text("x")] },
    ]);
    expect(reasonOf({ ...row, images: ["a.png"] })).toBe("image-placeholder-mismatch");
    expect(reasonOf({ ...row, images: ["a.png", "b.png", "c.png"] })).toBe("image-placeholder-mismatch");
  });

  it("without one, <image> in a text is a word", () => {
    expect(messagesOf({ messages: [user("the <image> tag"), assistant("yes")] })[0]!.content).toEqual([
      text("the <image> tag"),
    ]);
    expect(reasonOf({ messages: [user([{ type: "image" }]), assistant("yes")] })).toBe("image-placeholder-mismatch");
  });

  it.each([
    "<think>\nfirst\nsecond\n</think>\n\nanswer",
    "<think>\n\n</think>\n\nanswer",
    " \n<think>a</think> \t\n  indented answer\n",
    "no opening tag\n</think>\n\nanswer",
    "<think>never closed",
    "answer <think>x</think>",
  ])("leaves thinking in a recorded answer as it was recorded: %j", (content) => {
    const recorded = { role: "assistant", content: [text(content)] };
    expect(messagesOf({ messages: [user("q"), assistant(content)] })[1]).toEqual(recorded);
    const turns = [
      { from: "human", value: "q" },
      { from: "gpt", value: content },
    ];
    expect(messagesOf({ conversations: turns })[1]).toEqual(recorded);
  });

  it("leaves reasoning in a field of its own as it was recorded", () => {
    const read = messagesOf({ messages: [user("q"), { ...assistant("\n\na"), reasoning_content: "\n r \n" }] })[1];
    expect(read).toEqual({ role: "assistant", content: [text("\n\na")], reasoning: "\n r \n" });
  });
});

describe("ShareGPT and LLaVA", () => {
  const row = {
    id: "s1",
    system: "be brief",
    images: ["a.png", "b.png"],
    conversations: [
      { from: "human", value: "<image>\nwhat?" },
      { from: "gpt", value: "that" },
      { from: "human", value: "and <image>?" },
    ],
  };

  it("fills placeholders in order and keeps texts to the letter", () => {
    const { form, dialogue } = accepted(row);
    expect(form).toBe("sharegpt");
    expect(dialogue.messages).toEqual([
      { role: "system", content: [text("be brief")] },
      { role: "user", content: [image("a.png"), text("\nwhat?")] },
      { role: "assistant", content: [text("that")] },
      { role: "user", content: [text("and "), image("b.png"), text("?")] },
    ]);
  });

  it("takes LLaVA's line break for the separator it is", () => {
    const llava = {
      id: "l",
      image: "a.png",
      conversations: [
        { from: "human", value: "<image>\n\nwhat?\n" },
        { from: "gpt", value: "that\n" },
      ],
    };
    const { form, dialogue } = accepted(llava);
    expect(form).toBe("llava");
    expect(dialogue.messages.map((message) => message.content)).toEqual([
      [image("a.png"), text("\nwhat?\n")],
      [text("that\n")],
    ]);
    const after = { ...llava, conversations: [{ from: "human", value: "what?\n<image>" }] };
    expect(messagesOf(after)[0]!.content).toEqual([text("what?"), image("a.png")]);
    expect(messagesOf(llava, "sharegpt")[0]!.content).toEqual([image("a.png"), text("\n\nwhat?\n")]);
  });

  it("reads calls and observations", () => {
    const calls = [
      { from: "human", value: "tap it" },
      { from: "function_call", value: '{"name": "tap", "arguments": {"x": 1}}' },
      { from: "observation", value: "ok" },
      { from: "gpt", value: "done" },
    ];
    expect(messagesOf({ conversations: calls, tools: '[{"name": "tap"}]' })).toEqual([
      { role: "user", content: [text("tap it")] },
      { role: "assistant", content: [], toolCalls: [{ name: "tap", arguments: { x: 1 } }] },
      { role: "tool", content: [text("ok")] },
      { role: "assistant", content: [text("done")] },
    ]);
    expect(reasonOf({ conversations: [calls[0], { from: "function_call", value: "tap(1)" }] })).toBe(
      "tool-call-invalid",
    );
    expect(reasonOf({ conversations: calls, tools: "[oops" })).toBe("tools-invalid");
  });

  it("wants as many placeholders as images", () => {
    expect(reasonOf({ ...row, images: ["a.png"] })).toBe("image-placeholder-mismatch");
    expect(reasonOf({ ...row, images: undefined })).toBe("image-placeholder-mismatch");
    expect(reasonOf({ conversations: [{ from: "human", value: "what?" }], image: "a.png" })).toBe(
      "image-placeholder-mismatch",
    );
  });
});

describe("rows that are refused", () => {
  const call = { role: "assistant", content: "", tool_calls: [{ function: { name: "f", arguments: {} } }] };
  const cases: [string, unknown][] = [
    ["row-not-object", [1]],
    ["row-not-object", null],
    ["form-unknown", { prompt: "x" }],
    ["form-unknown", { messages: "x" }],
    ["message-invalid", { messages: ["x"] }],
    ["message-invalid", { messages: [{ content: "x" }] }],
    ["message-invalid", { messages: [user(5)] }],
    ["message-invalid", { messages: [user([{ type: "text" }])] }],
    ["message-invalid", { messages: [user([{ type: "image_url", image_url: { detail: "low" } }])] }],
    ["message-invalid", { images: [5], messages: [user("<image>")] }],
    ["role-unknown", { messages: [{ role: "narrator", content: "x" }] }],
    ["role-unknown", { messages: [{ role: "constructor", content: "x" }] }],
    ["content-part-unknown", { messages: [user([{ type: "tool_result", content: "a" }])] }],
    ["content-unsupported", { messages: [user([{ type: "audio", audio: "a.wav" }])] }],
    ["text-not-unicode", { messages: [user("half \ud800 pair")] }],
    ["video-encoded", { messages: [user([{ type: "video", video: "a.mp4" }])] }],
    ["video-encoded", { messages: [user([{ type: "video", video: "data:video/mp4;base64,AAAA" }])] }],
    ["video-encoded", { messages: [user([{ type: "video_url", video_url: { url: "https://a.b/c.mp4" } }])] }],
    ["video-encoded", { conversations: [{ from: "human", value: "<video>what?" }], videos: ["a.mp4"] }],
    ["video-encoded", { conversations: [{ from: "human", value: "<video>what?" }], video: "a.mp4" }],
    ["video-times", { conversations: [{ from: "human", value: "<video>what?" }], videos: [["0.png", "1.png"]] }],
    ["message-invalid", { messages: [user([{ type: "video", frames: [], fps: 2 }])] }],
    ["message-invalid", { messages: [user([{ type: "video", frames: ["a.png", 7], fps: 2 }])] }],
    ["video-times", video({})],
    ["video-times", video({ fps: 0 })],
    ["video-times", video({ fps: "fast" })],
    ["video-times", video({ fps: true })],
    ["video-times", video({ fps: 1e9 })],
    ["video-times", video({ fps: 2, sample_fps: 4 })],
    // qwen-vl-utils would take the frames for consecutive ones of the faster video.
    ["video-times", video({ sample_fps: 2, raw_fps: 30 })],
    ["video-times", video({ fps: 2, indices: [0] })],
    ["video-times", video({ fps: 2, indices: [3, 1] })],
    ["video-times", video({ fps: 2, indices: [-1, 1] })],
    ["video-times", video({ fps: 2, indices: 4 })],
    ["video-times", video({ timestamps: [0, 1e12] })],
    ["video-times", video({ timestamps: [0, 1], fps: 2 })],
    ["video-times", video({ timestamps: [0, 1], indices: [0, 1] })],
    ["image-in-wrong-role", { messages: [user("x"), { ...video({ fps: 1 }).messages[0], role: "assistant" }] }],
    ["image-in-wrong-role", { messages: [user("x"), assistant([{ type: "image", image: "a.png" }])] }],
    [
      "tool-call-invalid",
      { messages: [user("x"), { role: "assistant", tool_calls: [{ function: { arguments: {} } }] }] },
    ],
    [
      "tool-call-invalid",
      { messages: [user("x"), { role: "assistant", tool_calls: [{ name: "f", arguments: "[1]" }] }] },
    ],
    ["tools-invalid", { messages: [user("x")], tools: [1] }],
    ["dialogue-empty", { messages: [] }],
    ["dialogue-empty", { messages: [{ role: "system", content: "x" }] }],
    ["content-empty", { messages: [user(" \n")] }],
    ["content-empty", { messages: [user("x"), assistant([])] }],
    ["content-empty", { messages: [{ role: "system", content: "" }, user("x")] }],
    ["system-not-first", { messages: [user("x"), { role: "system", content: "x" }] }],
    ["system-not-first", { messages: [{ role: "system", content: "x" }, { role: "system", content: "x" }, user("x")] }],
    ["starts-with-assistant", { messages: [assistant("x"), user("x")] }],
    ["starts-with-assistant", { messages: [{ role: "system", content: "x" }, assistant("x")] }],
    ["starts-with-tool", { messages: [{ role: "tool", content: "x" }, assistant("x")] }],
    ["roles-not-alternating", { messages: [user("x"), assistant("y"), assistant("z")] }],
    ["tool-without-call", { messages: [user("x"), assistant("y"), { role: "tool", content: "r" }] }],
    ["tool-result-missing", { messages: [user("x"), call, user("y")] }],
  ];
  it.each(cases)("%s (%#)", (reason, row) => {
    expect(reasonOf(row)).toBe(reason);
  });

  it("cover every reason", () => {
    const elsewhere = [...CARRIER_CASES, ...RESULT_CASES].map(([reason]) => reason);
    const covered = new Set([...cases.map(([reason]) => reason), ...elsewhere, "image-placeholder-mismatch"]);
    expect([...covered].sort()).toEqual(Object.keys(DIALOGUE_REASONS).sort());
  });

  it("keep the id of the row, and say which message", () => {
    expect(readDialogue({ id: "r1", messages: [user("x"), assistant("y"), assistant("z")] }, "auto")).toEqual({
      ok: false,
      id: "r1",
      reason: "roles-not-alternating",
      message: "message 2: role assistant after role assistant",
    });
  });
});

describe("any row at all", () => {
  it("gives a result, never an exception", () => {
    const loose = fc.oneof(
      fc.jsonValue(),
      fc.record(
        {
          id: fc.jsonValue(),
          messages: fc.array(
            fc.oneof(
              fc.jsonValue(),
              fc.record(
                { role: fc.constantFrom("user", "gpt", "tool", 5), content: fc.jsonValue() },
                { requiredKeys: [] },
              ),
            ),
          ),
          conversations: fc.array(
            fc.record({ from: fc.constantFrom("human", "gpt", "function_call"), value: fc.jsonValue() }),
          ),
          images: fc.jsonValue(),
          image: fc.jsonValue(),
          tools: fc.jsonValue(),
        },
        { requiredKeys: [] },
      ),
    );
    fc.assert(
      fc.property(loose, fc.constantFrom("auto", "openai", "sharegpt", "llava"), (row, form) => {
        const result = readDialogue(row, form);
        if (!result.ok) expect(Object.keys(DIALOGUE_REASONS)).toContain(result.reason);
      }),
      { seed: 21, numRuns: 1000 },
    );
  });

  it("that is accepted begins with the user after the system prompt, and no answer follows another", () => {
    const message = fc.record({
      role: fc.constantFrom("system", "user", "assistant"),
      content: fc.constantFrom("x", "y", ""),
    });
    fc.assert(
      fc.property(fc.array(message, { maxLength: 6 }), (messages) => {
        const result = readDialogue({ messages }, "auto");
        const shape = messages.map(({ role }: { role: string }) => role[0]).join("");
        const good = /^s?(u+a)*u*$/.test(shape) && /u/.test(shape) && messages.every(({ content }) => content !== "");
        expect(result.ok).toBe(good);
      }),
      { seed: 22, numRuns: 1000 },
    );
  });

  it("reads the same dialogue from all forms", () => {
    const turn = fc.record({
      words: fc.string({ minLength: 1 }).filter((words) => words.trim() !== "" && !words.includes("<")),
      picture: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(turn, { minLength: 1, maxLength: 5 }), (turns) => {
        const pictures = turns.flatMap(({ picture }, at) => (picture && at % 2 === 0 ? [`${at}.png`] : []));
        const speak = turns.map(({ words, picture }, at) => ({
          own: at % 2 === 0,
          words,
          picture: picture && at % 2 === 0,
        }));
        const parts = {
          messages: speak.map(({ own, words, picture }, at) => ({
            role: own ? "user" : "assistant",
            content: [
              ...(picture ? [{ type: "image_url", image_url: `${at}.png` }] : []),
              { type: "text", text: words },
            ],
          })),
        };
        const sharegpt = {
          images: pictures,
          conversations: speak.map(({ own, words, picture }) => ({
            from: own ? "human" : "gpt",
            value: (picture ? "<image>" : "") + words,
          })),
        };
        const listed = {
          images: pictures,
          messages: speak.map(({ own, words, picture }) => ({
            role: own ? "user" : "assistant",
            content: (picture ? "<image>" : "") + words,
          })),
        };
        const llava = {
          image: pictures,
          conversations: speak.map(({ own, words, picture }) => ({
            from: own ? "human" : "gpt",
            value: (picture ? "<image>\n" : "") + words,
          })),
        };
        const expected: RawMessage[] = messagesOf(parts);
        expect(messagesOf(sharegpt)).toEqual(expected);
        expect(messagesOf(listed)).toEqual(expected);
        if (!speak.some(({ words, picture }) => picture && /^\r?\n/.test(words)))
          expect(messagesOf(llava)).toEqual(expected);
      }),
      { seed: 23, numRuns: 200 },
    );
  });
});
