/** Ids by count, held against the embedded target's own template and tokenizer. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Message } from "../../src/dialogue/index.js";
import { openModel } from "../../src/model/index.js";
import { type Answer, type CountRules, countIds, DIALECTS, type LocalIds } from "../../src/sglang/index.js";
import { LocalModel } from "../../src/stages/regenerate/prompts/local-model.js";
import { TINY_GUI } from "../tokens/reference.js";

const model = await LocalModel.open(TINY_GUI, {});
const { imEnd: END, imagePad, stop } = (await openModel(TINY_GUI)).specialIds;
const ENDOFTEXT = Math.min(...stop, END - 1);
const messages: Message[] = [
  {
    role: "user",
    content: [
      { type: "image", hash: "0".repeat(64), width: 320, height: 192 },
      { type: "text", text: "Press the red button." },
    ],
  },
];
const own: LocalIds = model.idsFor(messages, undefined);
const listed = async (list: ReturnType<LocalIds["text"]>): Promise<number[]> => {
  const found = await list;
  if ("problem" in found) throw new Error(found.problem);
  return found.ids;
};
const prompt = await listed(own.prompt());
const TEXT = "The red button is at the top.";
const body = await listed(own.text(TEXT));
const RULES: CountRules = { dialect: DIALECTS.sglang, maxTokens: 64, stopTokenIds: [] };

function answerOf(more: Partial<Answer> = {}): Answer {
  return {
    promptIds: undefined,
    responseIds: undefined,
    text: TEXT,
    reasoning: undefined,
    toolCalls: [],
    finish: { type: "stop", matched: END },
    promptTokens: prompt.length,
    completionTokens: body.length + 1,
    weightVersion: undefined,
    idFields: { prompt: undefined, response: undefined },
    ...more,
  };
}

describe("ids by count", () => {
  it("are the rendering with the picture's pads, and the text with its stop", async () => {
    const { answer, refusal } = await countIds(answerOf(), own, RULES);
    expect(refusal).toBeUndefined();
    expect(answer).toMatchObject({ promptIds: prompt, responseIds: [...body, END], counted: true });
    // 320x192 is 10 x 6 merged patches.
    expect(prompt.filter((id) => id === imagePad)).toHaveLength(60);
  });

  it("end without a stop where the answer was cut", async () => {
    const cut = answerOf({ finish: { type: "length", matched: null }, completionTokens: body.length });
    expect((await countIds(cut, own, RULES)).answer?.responseIds).toEqual(body);
  });

  it("take the end of sequence that vLLM leaves unsaid, and ask for it elsewhere", async () => {
    const silent = answerOf({ finish: { type: "stop", matched: null } });
    const both = { ...own, stops: [ENDOFTEXT, END] };
    const vllm = await countIds(silent, both, { ...RULES, dialect: DIALECTS.vllm });
    expect(vllm.answer).toMatchObject({ responseIds: [...body, END], finish: { matched: END } });
    expect((await countIds(silent, both, RULES)).refusal).toMatchObject({
      reason: "answer-text",
      message: expect.stringContaining(`${ENDOFTEXT}, ${END}`),
    });
    const only = await countIds(silent, { ...own, stops: [END] }, RULES);
    expect(only.answer?.finish).toEqual({ type: "stop", matched: END });
  });

  it.each<[string, Partial<Answer>, string, string]>([
    ["a prompt of another length", { promptTokens: prompt.length + 1 }, "reject", "prompt-count"],
    ["an answer of another length", { completionTokens: body.length }, "reject", "answer-count"],
    ["no counts", { promptTokens: undefined }, "transient", "ids-missing"],
    ["no count of the answer", { completionTokens: undefined }, "transient", "ids-missing"],
    ["an abort, whatever its counts", { finish: { type: "abort", matched: null } }, "transient", "answer-aborted"],
    ["NaN", { finish: { type: "stop", matched: "NaN happened" } }, "reject", "nan-logits"],
    ["reasoning taken out of the text", { reasoning: "hm" }, "reject", "answer-text"],
    ["a tool call taken out", { toolCalls: [{ name: "f", arguments: "{}" }] }, "reject", "answer-text"],
    [
      "a tool call that only the finish tells of",
      { finish: { type: "tool_calls", matched: END } },
      "reject",
      "answer-text",
    ],
    ["a character that broke on the way", { text: `${TEXT}\uFFFD` }, "reject", "answer-text"],
    ["text that the tokenizer normalises", { text: "e\u0301" }, "reject", "answer-text"],
    ["half of a surrogate pair", { text: "\ud800" }, "reject", "answer-text"],
    ["a stop that is none of the model's", { finish: { type: "stop", matched: 7 } }, "reject", "answer-text"],
    ["a stop string", { finish: { type: "stop", matched: "###" } }, "reject", "answer-text"],
    ["prompt ids after all, others", { promptIds: prompt.with(0, 1) }, "reject", "prompt-count"],
    ["response ids after all, others", { responseIds: [...body.with(0, 1), END] }, "reject", "answer-count"],
    ["more tokens than were asked for", { completionTokens: 65 }, "transient", "answer-malformed"],
    ["far more text than tokens", { text: "x".repeat(50_000) }, "transient", "answer-malformed"],
  ])("are refused for %s", async (_, more, kind, reason) => {
    expect((await countIds(answerOf(more), own, RULES)).refusal).toMatchObject({ kind, reason });
  });

  it("are refused where the prompt cannot be rendered", async () => {
    const thin: Message[] = [{ role: "user", content: [{ type: "image", hash: "0", width: 4001, height: 20 }] }];
    const { refusal } = await countIds(answerOf(), model.idsFor(thin, undefined), RULES);
    expect(refusal).toMatchObject({
      reason: "prompt-count",
      message: expect.stringContaining("exceeds the processor's aspect ratio"),
    });
  });

  it("are about the messages that were asked, whatever the history becomes later", async () => {
    const history = [...messages];
    const asked = model.idsFor(history, undefined);
    history.push({ role: "assistant", content: [{ type: "text", text: TEXT }] });
    expect(await listed(asked.prompt())).toEqual(prompt);
  });

  /** What a server that generated these ids would send. */
  async function served(generated: readonly number[]): Promise<Answer> {
    const text = await model.decode(generated);
    return answerOf({ text, completionTokens: generated.length + 1 });
  }

  it("are the generated ones wherever the tokenizer would write the text so", async () => {
    const piece = fc.oneof(
      fc.constantFrom("click", " the", "\n\n", "  ", "</think>", "\n", "123", "é", "日本", '{"x": 4}'),
      fc.string({ unit: "binary" }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 12 }), async (pieces) => {
        const list = await own.text(pieces.join(""));
        fc.pre("ids" in list && list.ids.length < 64 && !pieces.join("").includes("\uFFFD"));
        const { answer, refusal } = await countIds(await served(list.ids), own, RULES);
        expect(refusal).toBeUndefined();
        expect(answer?.responseIds).toEqual([...list.ids, END]);
      }),
      { numRuns: 300 },
    );
  });

  it("are otherwise refused, or other ids of the same number and text: that is what the mark says", async () => {
    // Ordinary tokens only: special ones are stripped from a server's text.
    const ids = fc.array(fc.integer({ min: 0, max: ENDOFTEXT - 1 }), { minLength: 1, maxLength: 12 });
    const seen = { equal: 0, other: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(ids, async (generated) => {
        const sent = await served(generated);
        const { answer, refusal } = await countIds(sent, own, RULES);
        if (refusal !== undefined) {
          seen.refused += 1;
          expect(["answer-count", "answer-text"]).toContain(refusal.kind === "reject" ? refusal.reason : "");
          return;
        }
        const body = answer!.responseIds.slice(0, -1);
        expect(body).toHaveLength(generated.length);
        expect(await model.decode(body)).toBe(sent.text);
        if (body.join() === generated.join()) seen.equal += 1;
        else seen.other += 1;
      }),
      { numRuns: 500, seed: 7 },
    );
    expect(seen.equal).toBeGreaterThan(0);
    expect(seen.refused).toBeGreaterThan(0);
  });
});
