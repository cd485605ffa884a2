/** Chat without pictures: shapes, ids, ends, determinism. */
import OpenAI from "openai";
import { describe, expect, it } from "vitest";
import { bodyOf, type ChatAnswer, chat, type Message, post, tokenize } from "./http.js";
import type { Contract } from "./suite.js";

const MESSAGES: Message[] = [
  { role: "system", content: "You operate a computer for the user." },
  { role: "user", content: "Please scroll down." },
];

export function chatContract(contract: Contract): void {
  describe("chat", () => {
    it("answers in OpenAI's shape with SGLang's keys", async () => {
      const answer = await post<ChatAnswer>(contract.url(), "/v1/chat/completions", {
        model: "any-name",
        messages: MESSAGES,
        temperature: 0,
        max_tokens: 6,
      });
      const body = bodyOf(answer);
      expect(Object.keys(body)).toEqual(["id", "object", "created", "model", "choices", "usage", "metadata"]);
      expect(body).toMatchObject({ object: "chat.completion", model: "any-name" });
      expect(Object.keys(body.choices[0] ?? {})).toEqual([
        "index",
        "message",
        "logprobs",
        "finish_reason",
        "matched_stop",
      ]);
      expect(Object.keys(body.choices[0]?.message ?? {})).toEqual(["role", "content", "reasoning_content"]);
      expect(body.usage).toMatchObject({ prompt_tokens_details: null, completion_tokens_details: null });
      expect(body.usage.total_tokens).toBe(body.usage.prompt_tokens + body.usage.completion_tokens);
    });

    it("gives ids where SGLang gives them, the prompt's equal to /tokenize", async () => {
      const choice = await chat(contract.url(), MESSAGES);
      expect(Object.keys(choice).slice(-3)).toEqual(["prompt_token_ids", "response_token_ids", "meta_info"]);
      expect(choice.prompt_token_ids).toEqual(await tokenize(contract.url(), MESSAGES));
      expect(choice.meta_info?.prompt_tokens).toBe(choice.prompt_token_ids?.length);
      expect(choice.meta_info?.completion_tokens).toBe(choice.response_token_ids?.length);
      expect(choice.meta_info?.weight_version).toBe("default");
    });

    it("ends a stopped answer with the stop id, which the text does not show", async () => {
      const choice = await chat(contract.url(), MESSAGES, { max_tokens: 200 });
      expect(choice.finish_reason).toBe("stop");
      expect(contract.facts.stopIds).toContain(choice.matched_stop);
      expect(choice.response_token_ids?.at(-1)).toBe(choice.matched_stop);
      expect(choice.meta_info?.finish_reason).toEqual({ type: "stop", matched: choice.matched_stop });
      expect(choice.message.content).not.toContain("<|");
    });

    it("marks an answer that was cut", async () => {
      const choice = await chat(contract.url(), MESSAGES, { max_tokens: 3 });
      expect(choice).toMatchObject({ finish_reason: "length", matched_stop: null });
      expect(choice.response_token_ids).toHaveLength(3);
      expect(choice.meta_info?.finish_reason).toEqual({ type: "length", length: 3 });
    });

    it("takes max_completion_tokens, and 0 for nothing at all", async () => {
      const two = await chat(contract.url(), MESSAGES, { max_tokens: undefined, max_completion_tokens: 2 });
      expect(two.response_token_ids).toHaveLength(2);
      const none = await chat(contract.url(), MESSAGES, { max_tokens: 0 });
      expect(none).toMatchObject({ finish_reason: "length", message: { content: "" } });
    });

    it("ends at a stop id of the request, at a stop string, and not at its own with ignore_eos", async () => {
      const free = await chat(contract.url(), MESSAGES, { max_tokens: 12, ignore_eos: true });
      const ids = free.response_token_ids ?? [];
      const third = ids[2] ?? -1;
      const byId = await chat(contract.url(), MESSAGES, { max_tokens: 12, stop_token_ids: [third] });
      expect(byId.response_token_ids).toEqual(ids.slice(0, ids.indexOf(third) + 1));
      expect(byId.matched_stop).toBe(third);
      const word = free.message.content?.slice(3, 6) ?? "";
      const byText = await chat(contract.url(), MESSAGES, { max_tokens: 12, stop: [word] });
      expect(byText).toMatchObject({ finish_reason: "stop", matched_stop: word });
      expect(byText.message.content).toBe(free.message.content?.slice(0, free.message.content.indexOf(word)));
      expect(ids.slice(0, byText.response_token_ids?.length)).toEqual(byText.response_token_ids);
    });

    it("says the same again, alone and in company", async () => {
      const alone = await chat(contract.url(), MESSAGES);
      const other: Message[] = [{ role: "user", content: "Click on Save." }];
      const together = await Promise.all(
        [0, 1, 2, 3, 4, 5].map((i) => chat(contract.url(), i % 2 === 0 ? MESSAGES : other)),
      );
      for (const i of [0, 2, 4]) expect(together[i]?.response_token_ids).toEqual(alone.response_token_ids);
      expect(together[1]?.response_token_ids).toEqual(together[5]?.response_token_ids);
    });

    it("renders several turns, and counts what was cached", async () => {
      const first = await chat(contract.url(), MESSAGES);
      const next: Message[] = [
        ...MESSAGES,
        { role: "assistant", content: first.message.content ?? "" },
        { role: "user", content: "Click on Save." },
      ];
      const second = await chat(contract.url(), next);
      expect(second.prompt_token_ids).toEqual(await tokenize(contract.url(), next));
      expect(second.meta_info?.cached_tokens).toBeGreaterThanOrEqual(first.prompt_token_ids?.length ?? Infinity);
    });

    it("passes chat_template_kwargs on and renders tools", async () => {
      const kwargs = { chat_template_kwargs: { enable_thinking: true } };
      const thinking = await chat(contract.url(), MESSAGES, { ...kwargs, max_tokens: 1 });
      expect(thinking.prompt_token_ids).toEqual(await tokenize(contract.url(), MESSAGES, kwargs));
      expect(thinking.prompt_token_ids).not.toEqual(await tokenize(contract.url(), MESSAGES));
      const tools = { tools: [{ type: "function", function: { name: "click", parameters: { type: "object" } } }] };
      const withTools = await chat(contract.url(), MESSAGES, { ...tools, max_tokens: 1 });
      expect(withTools.prompt_token_ids?.length).toBeGreaterThan(thinking.prompt_token_ids?.length ?? Infinity);
    });

    it("takes a last assistant message for a user's, or continues it", async () => {
      const half: Message[] = [...MESSAGES, { role: "assistant", content: "I look" }];
      const taken = await chat(contract.url(), half, { max_tokens: 1 });
      const asUser: Message[] = [...MESSAGES, { role: "user", content: "I look" }];
      expect(taken.prompt_token_ids).toEqual(await tokenize(contract.url(), asUser));
      const continued = await chat(contract.url(), half, { max_tokens: 1, continue_final_message: true });
      const start = await tokenize(contract.url(), MESSAGES);
      const tail = await post<{ tokens: number[] }>(contract.url(), "/tokenize", {
        prompt: "I look",
        add_special_tokens: false,
      });
      expect(continued.prompt_token_ids).toEqual([...start, ...bodyOf(tail).tokens]);
    });

    it("gives ids at the top level when headers ask for them", async () => {
      const headers = { "x-sglext-return-input-ids": "1", "x-sglext-return-output-ids": "1" };
      const body = { messages: MESSAGES, temperature: 0, max_tokens: 4 };
      const answer = bodyOf(await post<ChatAnswer>(contract.url(), "/v1/chat/completions", body, headers));
      const choice = await chat(contract.url(), MESSAGES, { max_tokens: 4 });
      expect(answer.sglext).toEqual({ input_ids: choice.prompt_token_ids, output_ids: [choice.response_token_ids] });
    });

    it("works with OpenAI's own client", async () => {
      const client = new OpenAI({ baseURL: `${contract.url()}/v1`, apiKey: "none", maxRetries: 0 });
      const answer = await client.chat.completions.create({
        model: "default",
        messages: [{ role: "user", content: "Please scroll down." }],
        temperature: 0,
        max_tokens: 5,
      });
      expect(answer.choices[0]?.finish_reason).toBe("length");
      expect(answer.usage?.completion_tokens).toBe(5);
      const models = await client.models.list();
      expect(models.data).toHaveLength(1);
    });
  });
}
