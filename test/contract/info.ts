/** What a server says about itself, and forgetting. */
import { describe, expect, it } from "vitest";
import { bodyOf, call, chat, type Message } from "./http.js";
import type { Contract } from "./suite.js";

interface Card {
  id: string;
  object: string;
  max_model_len: number;
}

export function infoContract(contract: Contract): void {
  const get = <T>(path: string) => call<T>(contract.url(), path);

  describe("about itself", () => {
    it.each(["/health", "/ready", "/health_generate", "/ping"])("answers %s with nothing", async (path) => {
      const answer = await get(path);
      expect([answer.status, answer.text]).toEqual([200, ""]);
    });

    it("names the model under both paths", async () => {
      for (const path of ["/model_info", "/get_model_info"]) {
        expect(bodyOf(await get(path))).toMatchObject({
          model_type: "qwen3_vl",
          architectures: ["Qwen3VLForConditionalGeneration"],
          is_generation: true,
          weight_version: "default",
          has_image_understanding: true,
          tool_call_parser: null,
          reasoning_parser: null,
        });
      }
    });

    it("lists its settings under both paths", async () => {
      for (const path of ["/server_info", "/get_server_info"]) {
        const info = bodyOf(await get<{ version: string; internal_states: unknown[] }>(path));
        expect(info).toMatchObject({
          status: "ready",
          preferred_sampling_params: null,
          default_chat_template_kwargs: null,
          allow_auto_truncate: false,
          mm_process_config: {},
          speculative_algorithm: contract.features.draft ? "DFLASH" : null,
        });
        expect(info.version).toMatch(/^0\.5\.\d+/);
        expect(info.internal_states).toHaveLength(1);
      }
    });

    it("lists one model, by name too", async () => {
      const list = bodyOf(await get<{ object: string; data: Card[] }>("/v1/models"));
      expect(list).toMatchObject({
        object: "list",
        data: [{ object: "model", max_model_len: contract.facts.context }],
      });
      const id = list.data[0]?.id ?? "";
      expect(bodyOf(await get<Card>(`/v1/models/${encodeURIComponent(id)}`)).id).toBe(id);
      const unknown = await get("/v1/models/nope");
      expect(unknown.status).toBe(404);
      expect(unknown.json).toEqual({
        error: {
          message: "The model 'nope' does not exist",
          type: "invalid_request_error",
          param: "model",
          code: "model_not_found",
        },
      });
    });

    it("knows no other paths and methods", async () => {
      expect([(await get("/nope")).status, (await get("/nope")).json]).toEqual([404, { detail: "Not Found" }]);
      const answer = await get("/v1/chat/completions");
      expect([answer.status, answer.json]).toEqual([405, { detail: "Method Not Allowed" }]);
    });
  });

  describe("/flush_cache", () => {
    it.each(["GET", "POST"])("forgets prefixes, not answers, by %s", async (method) => {
      const messages: Message[] = [{ role: "user", content: "Click on Save." }];
      const before = await chat(contract.url(), messages, { max_tokens: 6 });
      const flushed = await call(contract.url(), "/flush_cache", { method });
      expect([flushed.status, flushed.text]).toEqual([200, expect.stringMatching(/^Cache flushed\./)]);
      const after = await chat(contract.url(), messages, { max_tokens: 6 });
      expect(after.meta_info?.cached_tokens).toBe(0);
      expect(after.response_token_ids).toEqual(before.response_token_ids);
    });
  });
}
