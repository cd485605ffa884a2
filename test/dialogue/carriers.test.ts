/** Content under every field that carries it in somebody's data: read, refused with a reason, or counted by name. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseJson } from "../../src/base/index.js";
import { OTHER_FIELDS, readDialogue } from "../../src/dialogue/index.js";
import { CARRIER_CASES, RESULT_CASES } from "./refused-rows.js";

function accepted(row: unknown) {
  const result = readDialogue(row, "auto");
  if (!result.ok) throw new Error(`${result.reason}: ${result.message}`);
  return result;
}
const messagesOf = (row: unknown) => accepted(row).dialogue.messages;
const text = (words: string) => ({ type: "text" as const, text: words });
const image = (reference: string) => ({ type: "image" as const, reference });
const user = (content: unknown, more: object = {}) => ({ role: "user", content, ...more });
const assistant = (content: unknown, more: object = {}) => ({ role: "assistant", content, ...more });
const tool = (name: string) => ({ type: "function", function: { name } });

describe("a system prompt beside the messages", () => {
  it.each(["system", "system_prompt"])("under %s, in either form", (key) => {
    const wanted = [{ role: "system", content: [text("Answer in French.")] }, expect.anything()];
    expect(messagesOf({ [key]: "Answer in French.", messages: [user("q")] })).toEqual(wanted);
    expect(messagesOf({ [key]: "Answer in French.", conversations: [{ from: "human", value: "q" }] })).toEqual(wanted);
  });

  it("is one with an equal system message, and may be a list of texts", () => {
    const messages = [{ role: "system", content: "S" }, user("q")];
    expect(messagesOf({ system: "S", messages })).toEqual(messagesOf({ messages }));
    expect(messagesOf({ system: [{ type: "text", text: "S" }], messages: [user("q")] })[0]).toEqual({
      role: "system",
      content: [text("S")],
    });
    expect(messagesOf({ system: "", messages: [user("q")] })).toHaveLength(1);
  });
});

describe("images inside a message", () => {
  it("fill its placeholders, and the row's stay for other messages", () => {
    const row = {
      images: ["row.png"],
      messages: [user("<image> one <image>", { images: ["a.png", { url: "b.png" }] }), assistant("x"), user("<image>")],
    };
    expect(messagesOf(row).map(({ content }) => content)).toEqual([
      [image("a.png"), text(" one "), image("b.png")],
      [text("x")],
      [image("row.png")],
    ]);
    const turns = [{ from: "human", value: "look: <image>", image: "a.png" }];
    expect(messagesOf({ conversations: turns })[0]?.content).toEqual([text("look: "), image("a.png")]);
  });

  it("stand in front of a text without placeholders, and fill bare parts", () => {
    expect(messagesOf({ messages: [user("what?", { images: ["a.png", "b.png"] })] })[0]?.content).toEqual([
      image("a.png"),
      image("b.png"),
      text("what?"),
    ]);
    const parts = [{ type: "text", text: "see" }, { type: "image" }];
    expect(messagesOf({ messages: [user(parts, { image: "a.png" })] })[0]?.content).toEqual([
      text("see"),
      image("a.png"),
    ]);
  });
});

describe("references to images", () => {
  const read = (part: object) => messagesOf({ messages: [user([part])] })[0]?.content[0];
  it.each<[string, object, string]>([
    ["Hugging Face's dictionary", { type: "image", image: { bytes: "aGk=", path: "a.png" } }, "data:;base64,aGk="],
    ["the same with bytes as numbers", { type: "image", image: { bytes: [104, 105] } }, "data:;base64,aGk="],
    ["the same without bytes", { type: "image", image: { bytes: null, path: "a.png" } }, "a.png"],
    [
      "Anthropic's base64 source",
      { type: "image", source: { type: "base64", media_type: "image/jpeg", data: "aGk=" } },
      "data:image/jpeg;base64,aGk=",
    ],
    ["Anthropic's address", { type: "image", source: { type: "url", url: "https://a.b/c.png" } }, "https://a.b/c.png"],
    ["MCP's data", { type: "image", data: "aGk=", mimeType: "image/png" }, "data:image/png;base64,aGk="],
    ["a part without a type", { image: "a.png", text: null }, "a.png"],
    [
      "a table's part with empty columns",
      { type: "image_url", image_url: { url: "a.png" }, text: "", video: null },
      "a.png",
    ],
  ])("%s", (_, part, reference) => {
    expect(read(part)).toEqual(image(reference));
  });

  it("with limits or a size of their own", () => {
    expect(read({ type: "image", image: "a.png", min_pixels: 3136, max_pixels: parseJson("50176.0") })).toEqual({
      ...image("a.png"),
      size: { minPixels: 3136, maxPixels: 50_176 },
    });
    expect(read({ type: "image", image: "a.png", resized_height: 280, resized_width: 420 })).toEqual({
      ...image("a.png"),
      size: { height: 280, width: 420 },
    });
  });
});

describe("tool calls", () => {
  const args = { x: 1 };
  const json = JSON.stringify({ name: "tap", arguments: args });
  const made = [{ name: "tap", arguments: args }];

  it("in a message's function_call, beside its text or alone", () => {
    const function_call = { name: "tap", arguments: JSON.stringify(args) };
    const result = { role: "function", name: "tap", content: "ok" };
    const { dialogue, unread } = accepted({ messages: [user("q"), assistant("I tap.", { function_call }), result] });
    expect(dialogue.messages[1]).toEqual({ role: "assistant", content: [text("I tap.")], toolCalls: made });
    expect(unread).toEqual(["message.name"]);
    expect(messagesOf({ messages: [user("q"), assistant(null, { function_call })] })[1]?.toolCalls).toEqual(made);
    const both = { function_call, tool_calls: [{ id: "c1", function: function_call }] };
    expect(messagesOf({ messages: [user("q"), assistant("", both)] })[1]?.toolCalls).toEqual([
      { id: "c1", ...made[0] },
    ]);
  });

  it.each(["function_call", "tool_call"])("in a message of role %s, as JSON text or as an object", (role) => {
    for (const content of [json, `[${json}]`, JSON.parse(json) as unknown]) {
      const messages = [user("q"), { role, content }, { role: "observation", content: "ok" }, assistant("done")];
      expect(messagesOf({ messages })[1]).toEqual({ role: "assistant", content: [], toolCalls: made });
    }
    const turns = [
      { from: "human", value: "q" },
      { from: role, value: json },
    ];
    expect(messagesOf({ conversations: turns })[1]?.toolCalls).toEqual(made);
  });

  it("in messages of their own join the text before them, and one another", () => {
    const messages = [
      user("q"),
      assistant("Both."),
      { role: "tool_call", content: json },
      { role: "tool_call", content: json.replace("tap", "type") },
      { role: "tool_response", content: "1" },
      { role: "tool_response", content: "2" },
      assistant("done"),
    ];
    expect(messagesOf({ messages })[1]).toEqual({
      role: "assistant",
      content: [text("Both.")],
      toolCalls: [made[0], { name: "type", arguments: args }],
    });
  });

  it("with numbers as ids keep the literals as text", () => {
    const row = parseJson(`{"id": 2512292042121000001, "messages": [{"role":"user","content":"q"},
      {"role":"assistant","tool_calls":[{"id": 9007199254740993, "name":"tap", "arguments":{"x":0.0}}]},
      {"role":"tool","tool_call_id": 9007199254740993, "content":"ok"}], "tags": {"score": 1.0}}`);
    const { dialogue } = accepted(row);
    expect(dialogue).toMatchObject({ id: "2512292042121000001", tags: { score: "1.0" } });
    expect(dialogue.messages[1]?.toolCalls?.[0]?.id).toBe("9007199254740993");
    expect(dialogue.messages[2]?.toolCallId).toBe("9007199254740993");
  });
});

describe("tools", () => {
  it("of a system message are the row's, and one that says nothing else is none", () => {
    const system = (content: string) => ({ role: "system", content, tools: [tool("tap")] });
    expect(accepted({ messages: [system("S"), user("q")] }).dialogue).toMatchObject({
      tools: [tool("tap")],
      messages: [{ role: "system" }, { role: "user" }],
    });
    expect(accepted({ messages: [system(""), user("q")], tools: [tool("tap")] }).dialogue).toMatchObject({
      tools: [tool("tap")],
      messages: [{ role: "user" }],
    });
  });

  it("are put into OpenAI's form where they are bare functions, under either name", () => {
    const bare = { name: "tap", description: "d", parameters: {} };
    const wanted = [{ type: "function", function: bare }];
    expect(accepted({ messages: [user("q")], functions: [bare] }).dialogue.tools).toEqual(wanted);
    expect(accepted({ messages: [user("q")], tools: JSON.stringify([bare]) }).dialogue.tools).toEqual(wanted);
    expect(accepted({ messages: [user("q")], tools: [{ type: "function", ...bare }] }).dialogue.tools).toEqual(wanted);
  });
});

describe("other fields of an assistant's message", () => {
  it("reasoning under any of its names, and a refusal as its text", () => {
    for (const key of ["reasoning_content", "reasoning", "thinking"]) {
      expect(messagesOf({ messages: [user("q"), assistant("a", { [key]: "hm" })] })[1]?.reasoning).toBe("hm");
    }
    expect(messagesOf({ messages: [user("q"), assistant(null, { refusal: "I cannot." })] })[1]?.content).toEqual([
      text("I cannot."),
    ]);
  });
});

describe("the order of messages", () => {
  const call = assistant("", { tool_calls: [{ name: "tap", arguments: {} }] });
  const observation = { role: "observation", content: "ok" };

  it("lets the user speak after a result, and twice in a row", () => {
    const screenshot = user([{ type: "image", image: "next.png" }]);
    const messages = [
      user("q"),
      user("and this"),
      call,
      observation,
      screenshot,
      assistant("done"),
      user("x"),
      user("y"),
    ];
    expect(messagesOf({ messages }).map(({ role }) => role)).toEqual([
      "user",
      "user",
      "assistant",
      "tool",
      "user",
      "assistant",
      "user",
      "user",
    ]);
  });

  it("pairs results with calls by id in any order, or by number without ids", () => {
    const calls = (ids: (string | undefined)[]) =>
      assistant("", { tool_calls: ids.map((id) => ({ id, name: "tap", arguments: {} })) });
    const result = (id?: string) => ({ role: "tool", content: "r", tool_call_id: id });
    for (const results of [
      [result("b"), result("a")],
      [result(), result()],
      [result("b"), result()],
    ]) {
      expect(messagesOf({ messages: [user("q"), calls(["a", "b"]), ...results, assistant("x")] })).toHaveLength(5);
    }
    expect(messagesOf({ messages: [user("q"), calls([undefined]), result("z"), assistant("x")] })).toHaveLength(4);
    expect(messagesOf({ messages: [user("q"), calls(["a", "b"])] })).toHaveLength(2);
  });
});

describe("rows that are refused", () => {
  it.each([...CARRIER_CASES, ...RESULT_CASES])("%s (%#)", (reason, row) => {
    const result = readDialogue(row, "auto");
    expect(result.ok ? "accepted" : result.reason).toBe(reason);
  });

  it("say where and which field", () => {
    const result = readDialogue({ messages: [user("q", { reasoning: "hm" })] }, "auto");
    expect(result).toMatchObject({ message: "message 0: `reasoning` in a message of role user" });
  });
});

describe("any other field", () => {
  it("is told by its name, unless it says nothing", () => {
    const { unread } = accepted({
      id: 1,
      source: "crawl",
      empty: null,
      tags: { app: "mail", list: [1] },
      messages: [
        user([{ type: "text", text: "q", cache_control: { type: "ephemeral" } }], { weight: 0, name: null }),
        assistant("", { tool_calls: [{ name: "f", arguments: {}, index: 0, extra: 1 }] }),
      ],
      "odd\u001b[31m name": 1,
    });
    expect([...unread].sort()).toEqual([
      "call.extra",
      "message.weight",
      "part.cache_control",
      'row."odd\\u001b[31m name"',
      "row.source",
      "tags.list",
    ]);
  });

  it("counts with others where there are more than anybody reads", () => {
    const many = Object.fromEntries(Array.from({ length: 5000 }, (_, k) => [`field${k}`, 1]));
    const { unread } = accepted({ ...many, ["x".repeat(10_000)]: 1, messages: [user("q")] });
    expect(unread.length).toBeLessThanOrEqual(101);
    expect(unread).toContain(`row.${OTHER_FIELDS}`.slice("row.".length));
    expect(Math.max(...unread.map((name) => name.length))).toBeLessThan(100);
  });

  /** Names that carry content somewhere, names of Object.prototype, and any others. */
  const key = fc.oneof(
    fc.constantFrom(
      ..."id system system_prompt messages conversations images image videos audio documents tools functions tags".split(
        " ",
      ),
      ..."role from content value name weight reasoning reasoning_content thinking refusal function_call tool_calls".split(
        " ",
      ),
      ..."tool_call_id type text image_url url source data media_type index min_pixels max_pixels resized_width".split(
        " ",
      ),
      ..."arguments parameters function bytes detail file_id video frames constructor __proto__ toString".split(" "),
    ),
    fc.string({ minLength: 1, maxLength: 8 }),
  );
  const wrapped = fc.constantFrom<(mark: string) => unknown>(
    (mark) => mark,
    (mark) => [mark],
    (mark) => ({ text: mark }),
    (mark) => ({ url: mark }),
    (mark) => [{ type: "text", text: mark }],
    (mark) => JSON.stringify({ name: mark, arguments: {} }),
    (mark) => ({ name: mark, arguments: {} }),
    (mark) => [{ name: mark, arguments: {} }],
  );
  const PLACES = {
    row: "row",
    message: "message",
    answer: "message",
    "text part": "part",
    "image part": "part",
    image: "image",
    call: "call",
    function: "call",
  };
  const places = Object.keys(PLACES) as (keyof typeof PLACES)[];

  it("is read, refused or counted, whatever its name and place", () => {
    let kept = 0;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom(...places), key, wrapped), { minLength: 1, maxLength: 2 }),
        fc.boolean(),
        (added, sharegpt) => {
          const objects: Record<keyof typeof PLACES, Record<string, unknown>> = {
            row: {},
            "text part": { type: "text", text: "q" },
            "image part": { type: "image" },
            image: { url: "a.png" },
            function: { name: "f", arguments: {} },
            call: { id: "c" },
            message: sharegpt ? { from: "human" } : { role: "user" },
            answer: sharegpt ? { from: "gpt" } : { role: "assistant" },
          };
          objects["image part"].image = objects.image;
          objects.call.function = objects.function;
          objects.message[sharegpt ? "value" : "content"] = [objects["text part"], objects["image part"]];
          objects.answer.tool_calls = [objects.call];
          objects.row[sharegpt ? "conversations" : "messages"] = [objects.message, objects.answer];
          const marks = added.map(([place, name, wrap], k) => {
            const value = wrap(`m4rk${k}`);
            Object.defineProperty(objects[place], name, {
              value,
              enumerable: true,
              configurable: true,
              writable: true,
            });
            return { place, name, mark: `m4rk${k}` };
          });
          const row = parseJson(JSON.stringify(objects.row));
          const sent = JSON.stringify(row);
          const result = readDialogue(row, "auto");
          if (!result.ok) {
            expect(result.message).not.toBe("");
            return;
          }
          kept += 1;
          const read = JSON.stringify(result.dialogue);
          for (const { place, name, mark } of marks) {
            // A later field may have replaced it before the row was written.
            if (!sent.includes(mark) || read.includes(mark)) continue;
            const names = [name, JSON.stringify(name)].map((spelled) => `${PLACES[place]}.${spelled}`);
            const told = result.unread.some((each) => names.includes(each));
            expect({ name, mark, unread: result.unread, told }).toMatchObject({ told: true });
          }
        },
      ),
      { seed: 41, numRuns: 6000 },
    );
    expect(kept).toBeGreaterThan(1500);
  });
});
