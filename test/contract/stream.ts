/** Streaming, read with OpenAI's own client, and clients that go away. */
import { setTimeout as sleep } from "node:timers/promises";
import OpenAI from "openai";
import { describe, expect, it } from "vitest";
import { call, chat, type Message, post } from "./http.js";
import type { Contract } from "./suite.js";

const MESSAGES: Message[] = [{ role: "user", content: "Please scroll down." }];

export function streamContract(contract: Contract): void {
  describe("streaming", () => {
    it("sends the same text in pieces, then the reason, then the usage", async () => {
      const whole = await chat(contract.url(), MESSAGES);
      const client = new OpenAI({ baseURL: `${contract.url()}/v1`, apiKey: "none", maxRetries: 0 });
      const stream = await client.chat.completions.create({
        model: "default",
        messages: [{ role: "user", content: "Please scroll down." }],
        temperature: 0,
        max_tokens: 48,
        stream: true,
        stream_options: { include_usage: true },
      });
      const chunks: OpenAI.Chat.Completions.ChatCompletionChunk[] = [];
      for await (const chunk of stream) chunks.push(chunk);
      expect(chunks[0]?.choices[0]?.delta).toMatchObject({ role: "assistant", content: "" });
      expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("")).toBe(whole.message.content);
      const reasons = chunks.map((chunk) => chunk.choices[0]?.finish_reason).filter((reason) => reason != null);
      expect(reasons).toEqual([whole.finish_reason]);
      expect(chunks.at(-1)?.choices).toEqual([]);
      expect(chunks.at(-1)?.usage?.completion_tokens).toBe(whole.response_token_ids?.length);
      expect(new Set(chunks.map((chunk) => chunk.id)).size).toBe(1);
    });

    it.each(["return_prompt_token_ids", "return_token_ids", "return_meta_info"])("refuses %s", async (field) => {
      const body = { messages: MESSAGES, stream: true, [field]: true };
      const answer = await post<{ message: string }>(contract.url(), "/v1/chat/completions", body);
      expect(answer.status).toBe(400);
      expect(answer.json).toMatchObject({ object: "error", type: "BadRequest", code: 400 });
      expect(answer.json?.message).toContain(`${field} is not supported with streaming`);
    });

    it("and waiting end with the client: the server is soon idle again", async () => {
      const long = { messages: MESSAGES, temperature: 0, max_tokens: contract.facts.context - 100, ignore_eos: true };
      for (const stream of [false, true]) {
        const leave = new AbortController();
        const request = call(contract.url(), "/v1/chat/completions", {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ ...long, stream }),
          signal: leave.signal,
        });
        await sleep(700);
        leave.abort();
        await expect(request).rejects.toThrow();
      }
      let status = 0;
      for (let i = 0; i < 60 && status !== 200; i++) {
        await sleep(250);
        status = (await call(contract.url(), "/flush_cache", { method: "POST" })).status;
      }
      expect(status).toBe(200);
    });
  });
}
