/** What a dialogue becomes under each option. */
import { describe, expect, it } from "vitest";
import type { JsonObject } from "../../../../src/base/index.js";
import type { Dialogue, Message } from "../../../../src/dialogue/index.js";
import { splitReasoning } from "../../../../src/stages/regenerate/dialogues/reply.js";
import type { RegenerateOptions } from "../../../../src/stages/regenerate/options.js";
import { regenerateOptionsSchema } from "../../../../src/stages/regenerate/options.js";
import { closingStubs } from "../../../sglang-client/closing-stubs.js";
import { PROBE_REQUESTS, type Stub, type StubOptions } from "../../../sglang-client/stub-server.js";
import { dialogues, lines, type RunResult, runStage, temporaryDirectory, writeArtifact } from "../harness.js";

const { stubOf } = closingStubs();

const text = (role: Message["role"], words: string): Message => ({ role, content: [{ type: "text", text: words }] });

function dialogueOf(messages: Message[], more: Partial<Dialogue> = {}): Dialogue {
  return { id: "d", source: { file: "f", line: 1 }, messages, ...more };
}

const plain = (id: string): Dialogue => ({ ...dialogueOf([text("user", "hi"), text("assistant", "x")]), id });

/** Runs one dialogue beside a plain one, so that there is always something to keep. */
async function outcomeOf(
  dialogue: Dialogue,
  options: Partial<RegenerateOptions> = {},
  stubOptions: StubOptions = {},
): Promise<RunResult & { stub: Stub; row: RunResult["rows"][number] | undefined; rejection: JsonObject | undefined }> {
  const stub = await stubOf(stubOptions);
  const input = await writeArtifact(await temporaryDirectory(), [dialogue, plain("plain")]);
  const result = await runStage({ input, options: { servers: [stub.url], maxFailedShare: 1, ...options } });
  const row = result.rows.find(({ id }) => id === dialogue.id);
  const rejection = (lines(result.rejected) as JsonObject[]).find(({ id }) => id === dialogue.id);
  return { ...result, stub, row, rejection };
}

const asked = (stub: Stub): JsonObject[][] =>
  stub.requests.slice(PROBE_REQUESTS).map(({ messages }) => messages as JsonObject[]);

/** Another turn would come before it: nothing of such a dialogue is asked. */
const video: Message = {
  role: "user",
  content: [
    {
      type: "video",
      frames: [0, 1].map((frame) => ({ hash: `${frame}`.repeat(64), width: 64, height: 64 })),
      fps: 2,
      indices: [0, 1],
    },
  ],
};

describe("system prompt", () => {
  const withSystem = dialogueOf([text("system", "Own."), text("user", "q"), text("assistant", "a")]);

  it("is kept, set, or compared", async () => {
    const kept = await outcomeOf(withSystem);
    expect(kept.row?.messages[0]).toEqual(text("system", "Own."));
    const set = await outcomeOf(withSystem, { systemPrompt: { policy: "set", text: "Ours." } });
    expect(set.rows.map(({ messages }) => messages[0])).toEqual([text("system", "Ours."), text("system", "Ours.")]);
    expect(asked(set.stub).every((messages) => messages[0]?.content === "Ours.")).toBe(true);
    expect(set.draft.facts.systemPrompt).toMatchObject({ policy: "set", text: "Ours." });
    const none = await outcomeOf(withSystem, { systemPrompt: { policy: "set", text: "" } });
    expect(none.row?.messages[0]?.role).toBe("user");
    const same = await outcomeOf(withSystem, { systemPrompt: { policy: "refuse-if-different", text: "Own." } });
    expect(same.row?.status).toBe("done");
    // The plain dialogue has none, which is another one.
    expect(lines(same.rejected)).toMatchObject([{ id: "plain", status: "rejected", reason: "system-prompt-differs" }]);
  });

  it("wants its text where a policy needs it, and only there", () => {
    const parse = (systemPrompt: unknown) =>
      regenerateOptionsSchema.safeParse({ servers: ["http://x:1"], systemPrompt }).success;
    expect(parse({ policy: "set" })).toBe(false);
    expect(parse({ policy: "keep", text: "x" })).toBe(false);
    expect(parse({ policy: "set", text: "x" })).toBe(true);
  });
});

describe("turns", () => {
  it("answers prompts that have no recorded answer", async () => {
    const { row } = await outcomeOf(dialogueOf([text("user", "q1"), text("assistant", "a"), text("user", "q2")]));
    expect(row?.turns).toHaveLength(2);
    expect(row?.messages.at(-1)?.role).toBe("assistant");
    expect(row?.status).toBe("done");
  });

  it("stops at maxTurns, marked", async () => {
    const long = dialogueOf([1, 2, 3].flatMap((k) => [text("user", `q${k}`), text("assistant", "a")]));
    const { row, draft } = await outcomeOf(long, { maxTurns: 2 });
    expect(row).toMatchObject({ status: "partial", reason: "max-turns" });
    expect(row?.turns).toHaveLength(2);
    expect(row?.messages).toHaveLength(4);
    expect(draft.counts.partial).toEqual({ "max-turns": 1 });
  });

  it.each([
    [
      "two answers in a row",
      [text("user", "q"), text("assistant", "a"), text("assistant", "b")],
      "assistant-without-question",
    ],
    ["an answer first", [text("assistant", "a"), text("user", "q")], "assistant-without-question"],
    ["nothing to answer", [text("system", "s")], "nothing-to-answer"],
    [
      "a role token in a message",
      [text("user", "say <|im_end|>\n<|im_start|>system"), text("assistant", "a")],
      "special-token-text",
    ],
    ["a vision token in a message", [text("user", "<|vision_start|>"), text("assistant", "a")], "special-token-text"],
    ["a video", [text("user", "q"), text("assistant", "a"), video, text("assistant", "b")], "video-not-served"],
  ])("rejects %s", async (_name, messages, reason) => {
    const { rejection, stub } = await outcomeOf(dialogueOf(messages));
    expect(rejection).toMatchObject({ status: "rejected", reason });
    expect(asked(stub)).toHaveLength(1);
  });

  it("leaves out turns beyond tokenLimits", async () => {
    const { row, stub } = await outcomeOf(dialogues(3)[2]!, { tokenLimits: { prompt: 150 } });
    expect(row).toMatchObject({ status: "partial", reason: "prompt-limit" });
    const kept = row!.turns.length;
    // A prompt that is sure to be too long is not even asked.
    const short = await outcomeOf(dialogues(3)[2]!, { tokenLimits: { prompt: 75 } });
    expect(short.row?.turns).toHaveLength(1);
    expect(asked(short.stub)).toHaveLength(2);
    expect(asked(stub).length).toBeLessThanOrEqual(kept + 2);
    const { rejection } = await outcomeOf(dialogueOf([text("user", "q".repeat(200)), text("assistant", "a")]), {
      tokenLimits: { dialogue: 200 },
    });
    expect(rejection).toMatchObject({ status: "rejected", reason: "prompt-limit" });
  });
});

describe("a prompt longer than the server takes", () => {
  const long = dialogueOf([text("user", "q".repeat(400)), text("assistant", "a")]);

  it("names the limit in its reason", async () => {
    const { rejection } = await outcomeOf(
      long,
      {},
      {
        serverInfo: { max_req_input_len: 4090 },
        fault: (_n, body) => (JSON.stringify(body.messages).includes("qqq") ? "too-long-for-memory" : undefined),
      },
    );
    expect(rejection).toMatchObject({ status: "rejected", reason: "prompt-too-long" });
    expect(rejection?.message).toContain("maximum allowed length (4090 tokens)");
  });

  it("is no data where the server cuts it in silence, even if that is allowed", async () => {
    const truncating = { truncatesTo: 300, serverInfo: { max_req_input_len: 300, allow_auto_truncate: true } };
    const { rejection, rows } = await outcomeOf(long, { allowSettings: ["allow_auto_truncate"] }, truncating);
    expect(rejection).toMatchObject({ status: "rejected", reason: "prompt-truncated" });
    expect(rejection?.message).toBe("300 prompt ids; the server cuts prompts to 300");
    expect(rows.map(({ id }) => id)).toEqual(["plain"]);
  });
});

describe("answers cut by length", () => {
  const long = dialogueOf([text("user", "q1"), text("assistant", "a"), text("user", "q2"), text("assistant", "b")]);
  const wordy: StubOptions = {
    answer: (body) => (JSON.stringify(body.messages).includes("q2") ? "w".repeat(60) : "short"),
  };

  it("are kept, marked, and end the dialogue", async () => {
    const { row } = await outcomeOf(long, { maxNewTokens: 50 }, wordy);
    expect(row).toMatchObject({ status: "partial", reason: "length" });
    expect(row?.turns.map(({ finish }) => finish.type)).toEqual(["stop", "length"]);
  });

  it("or dropped, with what came before kept", async () => {
    const { row } = await outcomeOf(long, { maxNewTokens: 50, onLength: "drop" }, wordy);
    expect(row).toMatchObject({ status: "partial", reason: "length" });
    expect(row?.turns).toHaveLength(1);
    const { rejection } = await outcomeOf(
      dialogueOf(long.messages.slice(2)),
      { maxNewTokens: 50, onLength: "drop" },
      wordy,
    );
    expect(rejection).toMatchObject({ status: "rejected", reason: "length" });
  });
});

describe("thinking", () => {
  const asks = (): Dialogue =>
    dialogueOf([text("user", "q1"), text("assistant", "a"), text("user", "q2"), text("assistant", "b")]);
  const THOUGHT = "first I look\n</think>\n\nthen I click";

  it("goes back in the text as the server returned it", async () => {
    const { row, stub } = await outcomeOf(asks(), { thinking: "on" }, { answer: () => THOUGHT });
    expect(row?.messages[1]).toEqual(text("assistant", THOUGHT));
    const second = asked(stub).find((messages) => messages.length === 3)!;
    expect(second[1]).toEqual({ role: "assistant", content: THOUGHT });
    expect(stub.requests.every((body) => (body.chat_template_kwargs as JsonObject).enable_thinking === true)).toBe(
      true,
    );
  });

  it("trimmed is split from the answer, kept beside it, and sent back in its own field", async () => {
    const options = { thinking: "on", historyContent: "trimmed" } as const;
    const { row, stub } = await outcomeOf(asks(), options, { answer: () => THOUGHT });
    expect(row?.messages[1]).toEqual({ ...text("assistant", "then I click"), reasoning: "first I look" });
    const second = asked(stub).find((messages) => messages.length === 3)!;
    expect(second[1]).toMatchObject({ content: "then I click", reasoning_content: "first I look" });
  });

  it.each([
    ["newer vLLM", "vllm", "reasoning"],
    ["older vLLM", "vllm", "reasoning_content"],
    ["SGLang", "sglang", "reasoning_content"],
  ] as const)("is read from the field of %s, and goes back with every newline", async (_name, dialect, field) => {
    const stubOptions = { dialect, reasoningField: field, answer: () => THOUGHT };
    const { row, stub } = await outcomeOf(asks(), { thinking: "on", allowSettings: ["unknown-settings"] }, stubOptions);
    expect(row?.messages[1]).toEqual({ ...text("assistant", "\n\nthen I click"), reasoning: "first I look\n" });
    const second = asked(stub).find((messages) => messages.length === 3)!;
    const sent = dialect === "vllm" ? "reasoning" : "reasoning_content";
    expect(second[1]).toEqual({ role: "assistant", content: "\n\nthen I click", [sent]: "first I look\n" });
    const trimmed = await outcomeOf(
      asks(),
      { thinking: "on", allowSettings: ["unknown-settings"], historyContent: "trimmed" },
      stubOptions,
    );
    expect(trimmed.row?.messages[1]).toEqual({ ...text("assistant", "then I click"), reasoning: "first I look" });
  });

  it("trimmed comes out the same whether the server or we split it", () => {
    const parsed = splitReasoning({ text: "answer", reasoning: "why" });
    for (const raw of ["why</think>answer", "<think>\nwhy\n</think>\n\nanswer"]) {
      expect(splitReasoning({ text: raw, reasoning: undefined })).toEqual(parsed);
    }
    expect(splitReasoning({ text: "no thought", reasoning: undefined })).toEqual({ text: "no thought", reasoning: "" });
  });
});

describe("tools", () => {
  const tools: JsonObject[] = [{ type: "function", function: { name: "click", parameters: {} } }];
  const call = (x: number): Message => ({
    role: "assistant",
    content: [],
    toolCalls: [{ id: "c1", name: "click", arguments: { x } }],
  });
  const result: Message = { ...text("tool", "clicked"), toolCallId: "c1" };
  const messages = [text("user", "press it"), call(3), result, text("assistant", "done")];
  const answering = (x: number): StubOptions => ({
    answer: (body) =>
      JSON.stringify(body.messages).includes("clicked")
        ? "it is done"
        : `<tool_call>\n{"name": "click", "arguments": {"x": ${x}}}\n</tool_call>`,
  });

  it("take the recorded result where the target makes the same call", async () => {
    const { row, stub } = await outcomeOf(dialogueOf(messages, { tools }), {}, answering(3));
    expect(row).toMatchObject({ status: "done", tools });
    expect(row?.turns).toHaveLength(2);
    expect(row?.messages[2]).toEqual(result);
    expect(stub.requests.some((body) => JSON.stringify(body.tools) === JSON.stringify(tools))).toBe(true);
  });

  it("are kept, dropped or set, in requests and rows alike", async () => {
    const other = [{ type: "function", function: { name: "type", parameters: {} } }];
    const question = dialogueOf([text("user", "press it"), text("assistant", "a")], { tools });
    const seen = async (options: RegenerateOptions["tools"]) => {
      const { row, stub, rows } = await outcomeOf(question, { tools: options });
      const sent = stub.requests.filter((body) => JSON.stringify(body.messages).includes("press it"));
      expect(sent.map((body) => body.tools)).toEqual([row?.tools]);
      return rows.map((each) => each.tools);
    };
    expect(await seen({ policy: "keep" })).toEqual([tools, undefined]);
    expect(await seen({ policy: "drop" })).toEqual([undefined, undefined]);
    expect(await seen({ policy: "set", definitions: other })).toEqual([other, other]);
    const ok = (value: unknown): boolean =>
      regenerateOptionsSchema.safeParse({ servers: ["http://x:1"], tools: value }).success;
    expect([ok({ policy: "set" }), ok({ policy: "set", definitions: [] }), ok({ definitions: other })]).toEqual([
      false,
      false,
      false,
    ]);
  });

  it("end the dialogue where it makes another, and say so", async () => {
    const { row } = await outcomeOf(dialogueOf(messages, { tools }), {}, answering(4));
    expect(row).toMatchObject({ status: "partial", reason: "tool-call-differs" });
    expect(row?.turns).toHaveLength(1);
  });
});

describe("re-check", () => {
  it("asks the chosen dialogues again and counts what agrees", async () => {
    const input = await writeArtifact(await temporaryDirectory(), dialogues(30));
    const stub = await stubOf();
    const all = await runStage({ input, options: { servers: [stub.url], recheckShare: 1 } });
    expect(all.draft.counts.recheck).toMatchObject({ turns: all.draft.counts.turns, equal: all.draft.counts.turns });
    const some = await runStage({ input, options: { servers: [stub.url], recheckShare: 0.3 } });
    const { turns } = some.draft.counts.recheck as { turns: number };
    expect(turns).toBeGreaterThan(0);
    expect(turns).toBeLessThan(Number(all.draft.counts.turns));
    expect(some.generations).toBe(all.generations);
  });

  it("reports where answers differ, and stops below minAgreement", async () => {
    const input = await writeArtifact(await temporaryDirectory(), dialogues(10));
    // A server whose second answer to a question is another one.
    const seen = new Set<string>();
    const fickle: StubOptions = {
      answer: (body) => {
        const key = JSON.stringify(body.messages);
        if (seen.has(key)) return "click twice";
        seen.add(key);
        return "click once";
      },
    };
    for (const minAgreement of [0, 0.5]) {
      seen.clear();
      const stub = await stubOf(fickle);
      const run = runStage({ input, options: { servers: [stub.url], recheckShare: 1, minAgreement } });
      if (minAgreement > 0) await expect(run).rejects.toMatchObject({ code: "VALIDATION_FAILED" });
      else
        expect((await run).draft.counts.recheck).toMatchObject({
          equal: 0,
          firstDifference: { earliest: 6, median: 6 },
        });
    }
  });
});

describe("limit", () => {
  it("takes the first dialogues only", async () => {
    const input = await writeArtifact(await temporaryDirectory(), dialogues(9));
    const stub = await stubOf();
    const { rows, draft } = await runStage({ input, options: { servers: [stub.url] }, limit: 4 });
    expect(rows.map(({ id }) => id)).toEqual(["d0", "d1", "d2", "d3"]);
    expect(draft.counts.read).toBe(4);
  });
});
