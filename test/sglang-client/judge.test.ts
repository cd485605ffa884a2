import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { JsonObject } from "../../src/base/index.js";
import {
  type Answer,
  type AnswerRules,
  DEFAULT_LOOP_RULES,
  DIALECTS,
  findLoop,
  judgeAnswer,
  judgeFault,
  judgeStatus,
  matchedStop,
  parseChatAnswer,
  parseGenerateAnswer,
  specialLiteral,
  TransportFault,
} from "../../src/sglang/index.js";
import { recorded } from "./recorded.js";

const SPECIAL = { ends: new Set([1001, 1002]), structure: new Set([1000, 1003, 1004, 1005]), imagePad: 1005 };
const RULES: AnswerRules = {
  dialect: DIALECTS.sglang,
  maxTokens: 10,
  special: SPECIAL,
  stopTokenIds: [],
  imageCount: 1,
  loops: DEFAULT_LOOP_RULES,
};
const GOOD: Answer = {
  promptIds: [1000, 1003, 1005, 1005, 1004, 5, 1001, 1000],
  responseIds: [7, 8, 9, 1001],
  text: "fine",
  reasoning: undefined,
  toolCalls: [],
  finish: { type: "stop", matched: 1001 },
  promptTokens: 8,
  completionTokens: 4,
  weightVersion: "default",
  idFields: { prompt: "x", response: "y" },
};
const ten = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

describe("the table of answers that are not good data", () => {
  it.each<[string, Partial<Answer>, Partial<AnswerRules>, string, string | undefined]>([
    ["a clean stop", {}, {}, "good", undefined],
    ["a tool call", { finish: { type: "tool_calls", matched: 1001 } }, {}, "good", undefined],
    [
      "cut at the limit",
      { finish: { type: "length", matched: null }, responseIds: ten, completionTokens: 10 },
      {},
      "cut",
      undefined,
    ],
    ["abort", { finish: { type: "abort", matched: null } }, {}, "transient", "answer-aborted"],
    [
      "abort without counts or ids",
      { finish: { type: "abort", matched: null }, responseIds: undefined },
      {},
      "transient",
      "answer-aborted",
    ],
    ["an error of the engine", { finish: { type: "error", matched: null } }, {}, "transient", "answer-aborted"],
    [
      "an error without counts or ids",
      { finish: { type: "error", matched: null }, responseIds: undefined, completionTokens: undefined },
      {},
      "transient",
      "answer-aborted",
    ],
    ["NaN", { finish: { type: "stop", matched: "NaN happened" } }, {}, "reject", "nan-logits"],
    ["content filter", { finish: { type: "content_filter", matched: null } }, {}, "reject", "finish-unknown"],
    [
      "an answer that the server ended for repeating itself",
      { finish: { type: "repetition", matched: null } },
      {},
      "reject",
      "loop",
    ],
    ["no ids", { responseIds: undefined }, {}, "transient", "ids-missing"],
    ["no prompt ids", { promptIds: undefined }, {}, "transient", "ids-missing"],
    ["ids that are no ids", { responseIds: null }, {}, "transient", "ids-invalid"],
    ["fewer ids than counted", { completionTokens: 5 }, {}, "transient", "ids-count"],
    ["a prompt cut in silence", { promptTokens: 20 }, {}, "transient", "ids-count"],
    ["far more text than ids", { text: "x".repeat(5000) }, {}, "transient", "answer-malformed"],
    ["more ids than asked for", {}, { maxTokens: 3 }, "transient", "ids-count"],
    ["another last id", { responseIds: [7, 8, 9, 10] }, {}, "reject", "stop-mismatch"],
    ["a stop string that nobody sent", { finish: { type: "stop", matched: "###" } }, {}, "reject", "stop-mismatch"],
    ["a stop without a name", { finish: { type: "stop", matched: null } }, {}, "reject", "stop-mismatch"],
    ["cut before the limit", { finish: { type: "length", matched: null } }, {}, "reject", "length-early"],
    ["a role token inside", { responseIds: [7, 1000, 9, 1001] }, {}, "reject", "special-tokens"],
    ["an end inside", { responseIds: [7, 1001, 9, 1001] }, {}, "reject", "special-tokens"],
    ["a vision token inside", { responseIds: [7, 1005, 9, 1001] }, {}, "reject", "special-tokens"],
    ["a role token spelled out", { text: "say <|im_start|>" }, {}, "reject", "special-text"],
    ["a vision token spelled out while thinking", { reasoning: "<|image_pad|>" }, {}, "reject", "special-text"],
    ["a prompt as long as cut ones", {}, { truncatesTo: 8 }, "reject", "prompt-truncated"],
    ["a prompt shorter than cut ones", {}, { truncatesTo: 9 }, "good", undefined],
    ["a picture that is missing in the prompt", {}, { imageCount: 2 }, "reject", "image-count"],
    ["a picture that nobody sent", {}, { imageCount: 0 }, "reject", "image-count"],
  ])("%s", (_name, change, rules, kind, reason) => {
    const verdict = judgeAnswer({ ...GOOD, ...change }, { ...RULES, ...rules });
    expect(verdict).toMatchObject(reason === undefined ? { kind } : { kind, reason });
  });

  it("rejects loops, unless they are kept or short", () => {
    const ids = [...Array.from({ length: 90 }, (_, k) => 5 + (k % 3)), 1001];
    const answer = { ...GOOD, responseIds: ids, completionTokens: ids.length };
    const rules = { ...RULES, maxTokens: 200 };
    expect(judgeAnswer(answer, rules)).toMatchObject({ kind: "reject", reason: "loop" });
    expect(judgeAnswer(answer, { ...rules, loops: undefined }).kind).toBe("good");
    expect(judgeAnswer(answer, { ...rules, loops: { ...DEFAULT_LOOP_RULES, minTokens: 91 } }).kind).toBe("good");
  });

  it("finds the end of sequence that vLLM leaves unsaid, and only that", () => {
    const silent = { ...GOOD, finish: { type: "stop", matched: null } };
    const rules = { ...RULES, dialect: DIALECTS.vllm };
    expect(judgeAnswer(silent, rules).kind).toBe("good");
    expect(matchedStop(silent, DIALECTS.vllm, SPECIAL)).toBe(1001);
    expect(judgeAnswer({ ...silent, responseIds: [7, 8, 9, 10] }, rules)).toMatchObject({ reason: "stop-mismatch" });
  });
});

describe("statuses and faults", () => {
  const reply = (status: number, body: JsonObject | string) => ({
    status,
    body: Buffer.from(typeof body === "string" ? body : JSON.stringify(body)),
    retryAfterMs: 3000,
  });

  it.each([
    [503, "transient", "server-busy"],
    [429, "transient", "rate-limited"],
    [408, "transient", "rate-limited"],
    [425, "transient", "rate-limited"],
    [500, "transient", "server-error"],
    [502, "transient", "server-error"],
    [401, "transient", "access-denied"],
    [404, "transient", "access-denied"],
    [400, "permanent", "bad-request"],
    [422, "permanent", "bad-request"],
    [413, "permanent", "request-too-large"],
    [302, "transient", "answer-malformed"],
  ])("%i is %s: %s", (status, kind, reason) => {
    expect(judgeStatus(reply(status, "no"))).toMatchObject({ kind, reason });
  });

  it("reads the message in each of the forms", () => {
    for (const body of [
      { object: "error", message: "too many cooks", code: 400 },
      { error: { message: "too many cooks" } },
      { error: "too many cooks" },
      { detail: "too many cooks" },
      "too many cooks",
    ]) {
      expect(judgeStatus(reply(400, body))).toMatchObject({ message: expect.stringContaining("too many cooks") });
    }
  });

  it.each([
    ["SGLang and older vLLM", { object: "error", message: "too many", type: "BadRequestError", code: 400 }],
    ["newer vLLM", { error: { message: "too many", type: "BadRequestError", param: null, code: 400 } }],
  ])("reads the type beside the message, in the form of %s", (_name, body) => {
    expect(judgeStatus(reply(400, body))).toMatchObject({ message: "HTTP 400 (BadRequestError): too many" });
  });

  it("takes no type for one that is no name, and finds the verdict's words in either form", () => {
    const message = "This model's maximum context length is 4096 tokens.";
    for (const type of [7, null, "x".repeat(100), "<b>"]) {
      for (const body of [{ object: "error", message, type }, { error: { message, type } }]) {
        expect(judgeStatus(reply(400, body))).toEqual({
          kind: "permanent",
          reason: "prompt-too-long",
          message: `HTTP 400: ${message}`,
        });
      }
    }
  });

  it("keeps memory addresses and request ids out of messages, which enter artifacts", () => {
    const body = {
      error: { message: "cannot read <_io.BytesIO object at 0x7f83bc28ff10> of 7aaba6cdcc6549b5b2d98350fab8bf62" },
    };
    expect(judgeStatus(reply(400, body))).toMatchObject({
      message: "HTTP 400: cannot read <_io.BytesIO object at 0x...> of ...",
    });
  });

  it.each([
    ["unreachable", "unreachable"],
    ["reset", "reset"],
    ["timeout", "timeout"],
    ["too-large", "answer-too-large"],
  ] as const)("a fault %s is transient", (kind, reason) => {
    expect(judgeFault(new TransportFault(kind, "x"))).toMatchObject({ kind: "transient", reason });
  });
});

describe("recordings of the real server", () => {
  const rules: AnswerRules = { ...RULES, maxTokens: 24, special: undefined };
  const chat = (name: string): Answer => parseChatAnswer(recorded(name).body, DIALECTS.sglang);

  it("reads chat answers with a picture, a stop, tools", () => {
    const image = chat("chat_image_ids");
    expect(image.idFields).toEqual({ prompt: "choices[].prompt_token_ids", response: "choices[].response_token_ids" });
    expect(image.promptIds).toHaveLength(image.promptTokens!);
    expect(judgeAnswer(image, rules).kind).toBe("cut");
    const stop = chat("chat_stop_token_ids");
    expect(stop.finish).toEqual({ type: "stop", matched: stop.responseIds!.at(-1) });
    expect(judgeAnswer(stop, rules).kind).toBe("good");
    expect(judgeAnswer(chat("chat_tools"), { ...rules, maxTokens: 3 }).kind).toBe("cut");
  });

  it("finds the ids of an answer to the header form, outside its choice", () => {
    const { promptIds, responseIds, promptTokens, completionTokens, idFields } = chat("chat_sglext_headers");
    expect([promptIds?.length, responseIds?.length]).toEqual([promptTokens, completionTokens]);
    expect(idFields).toEqual({ prompt: "sglext.input_ids", response: "sglext.output_ids" });
  });

  it("notices answers without ids, whatever else they hold", () => {
    expect(judgeAnswer(chat("chat_plain"), rules)).toMatchObject({ reason: "ids-missing" });
    const bare = parseGenerateAnswer(recorded("generate_input_ids").body);
    expect(judgeAnswer(bare, rules)).toMatchObject({ reason: "ids-missing" });
  });

  it("reads /generate with a picture", () => {
    const answer = parseGenerateAnswer(recorded("generate_ids_image").body);
    expect(answer.promptIds).toHaveLength(answer.promptTokens!);
    expect(judgeAnswer(answer, { ...rules, maxTokens: 8 }).kind).toBe("cut");
  });

  it.each([
    ["err_chat_prompt_too_long", "prompt-too-long"],
    ["err_chat_max_tokens_huge", "prompt-too-long"],
    ["err_generate_unknown_sampling_key", "bad-request"],
    ["err_generate_bad_image", "bad-media"],
    ["err_image_not_an_image", "bad-media"],
    ["err_chat_bad_json", "bad-request"],
    ["err_chat_body_array", "server-error"],
    ["err_text_bare_pad_with_image", "server-error"],
    ["not_found", "access-denied"],
  ])("%s is %s", (name, reason) => {
    expect(judgeStatus(recorded(name))).toMatchObject({ reason });
  });
});

describe("findLoop", () => {
  const id = fc.integer({ min: 0, max: 400 });

  it("finds every planted repetition, wherever it stands", () => {
    const planted = fc
      .tuple(
        fc.array(id, { maxLength: 30 }),
        fc.uniqueArray(id, { minLength: 1, maxLength: 20 }),
        fc.array(id, { maxLength: 30 }),
      )
      .map(([before, piece, after]) => {
        const times = Math.max(DEFAULT_LOOP_RULES.minRepeats, Math.ceil(DEFAULT_LOOP_RULES.minTokens / piece.length));
        return { before, piece, ids: [...before, ...Array.from({ length: times }, () => piece).flat(), ...after] };
      });
    fc.assert(
      fc.property(planted, ({ ids }) => {
        const loop = findLoop(ids);
        expect(loop).toBeDefined();
        for (let at = loop!.start + loop!.period; at < loop!.start + loop!.length; at += 1) {
          expect(ids[at]).toBe(ids[at - loop!.period]);
        }
      }),
      { seed: 7, numRuns: 200 },
    );
  });

  it("leaves text without repetitions alone", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 100_000 }), { maxLength: 300 }), (ids) => {
        expect(findLoop(ids)).toBeUndefined();
      }),
      { seed: 8 },
    );
  });
});

describe("specialLiteral", () => {
  it("finds tokens spelled out; a plain <image> only beside pictures", () => {
    expect(specialLiteral("a <|im_end|> b", false)).toBe("<|im_end|>");
    expect(specialLiteral("an <image> tag", true)).toBe("<image>");
    expect(specialLiteral("an <image> tag", false)).toBeUndefined();
    expect(specialLiteral("<|not_ours|> < |im_end| >", true)).toBeUndefined();
  });
});
