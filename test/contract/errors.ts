/** Refusals of chat requests: status, form and words. */
import { describe, expect, it } from "vitest";
import { type Message, post } from "./http.js";
import type { Contract } from "./suite.js";

const HI: Message[] = [{ role: "user", content: "hi" }];

interface ErrorBody {
  object: string;
  message: string;
  type: string;
  param: null;
  code: number;
}

export function errorContract(contract: Contract): void {
  const ask = (body: unknown, headers: Record<string, string> = {}) =>
    post<ErrorBody>(contract.url(), "/v1/chat/completions", body, headers);

  describe("chat refuses", () => {
    it.each<[string, unknown, string]>([
      ["no messages", { messages: [] }, "Messages cannot be empty."],
      ["a negative limit", { messages: HI, max_tokens: -3 }, "max_new_tokens must be at least 0, got -3."],
      [
        "a negative temperature",
        { messages: HI, temperature: -1 },
        "temperature must be a non-negative finite number, got -1.0.",
      ],
      ["an impossible top_p", { messages: HI, top_p: 3 }, "top_p must be in (0, 1], got 3.0."],
      [
        "a template of the client",
        { messages: HI, chat_template_kwargs: { chat_template: "x" } },
        "Request-supplied chat_template is not allowed. Start the server with --trust-request-chat-template to permit it.",
      ],
    ])("%s", async (_what, body, message) => {
      const answer = await ask(body);
      expect(answer.status).toBe(400);
      expect(answer.json).toEqual({ object: "error", message, type: "BadRequestError", param: null, code: 400 });
    });

    it.each<[string, unknown, string]>([
      ["what is no JSON", "{not json", "json_invalid"],
      ["an empty body", "", "Field required"],
      ["a request without messages", { model: "x" }, "'messages'"],
      ["messages that are no list", { messages: "hi" }, "list_type"],
      ["an unknown role", { messages: [{ role: "nobody", content: "hi" }] }, "role"],
      ["a message without a role", { messages: [{ content: "hi" }] }, "role"],
      ["a message without content", { messages: [{ role: "user" }] }, "validation error"],
      ["a limit that is no number", { messages: HI, max_tokens: "many" }, "int_parsing"],
      ["an unknown part", { messages: [{ role: "user", content: [{ type: "sound" }] }] }, "validation error"],
      [
        "a picture without a place",
        { messages: [{ role: "user", content: [{ type: "image_url", image_url: {} }] }] },
        "validation error",
      ],
    ])("%s, as a validation error", async (_what, body, word) => {
      const answer = await ask(body);
      expect(answer.status).toBe(400);
      expect(answer.json).toMatchObject({ object: "error", type: "Bad Request", param: null, code: 400 });
      expect(answer.json?.message).toMatch(/^\d+ validation errors?:\n {2}\{/);
      expect(answer.json?.message).toContain(word);
    });

    it("another content type", async () => {
      const answer = await ask(JSON.stringify({ messages: HI }), { "content-type": "text/plain" });
      expect(answer.status).toBe(400);
      expect(answer.json?.message).toContain("Only 'application/json' is allowed");
    });

    it("what does not fit the context", async () => {
      const answer = await ask({ messages: HI, max_tokens: 1_000_000 });
      expect(answer.status).toBe(400);
      expect(answer.json?.message).toMatch(
        /^Requested token count exceeds the model's maximum context length of \d+ tokens\. You requested a total of 10000\d\d tokens/,
      );
      const long = await ask({
        messages: [{ role: "user", content: "click the button ".repeat(4000) }],
        max_tokens: 1,
      });
      expect(long.status).toBe(400);
      expect(long.json?.message).toMatch(/^The input \(\d+ tokens\) is longer than the model's context length/);
    });

    it
      .runIf(contract.features.strict)
      .each([
        { temperature: 0.7 },
        { n: 2 },
        { repetition_penalty: 1.1 },
        { presence_penalty: 1 },
        { frequency_penalty: -1 },
        { logit_bias: { "5": 1 } },
        { logprobs: true },
        { response_format: { type: "json_object" } },
        { regex: "a*" },
      ])("%j, which is not greedy", async (field) => {
      const answer = await ask({ messages: HI, max_tokens: 2, ...field });
      expect(answer.status).toBe(400);
      expect(answer.json?.message).toContain("decodes greedily only");
      expect(answer.json?.message).toContain(Object.keys(field)[0]);
    });
  });
}
