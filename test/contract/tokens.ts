/** /tokenize and /detokenize. */
import { describe, expect, it } from "vitest";
import { bodyOf, post, tokenize } from "./http.js";
import { imagePart, picture, textPart } from "./pictures.js";
import type { Contract } from "./suite.js";

interface Tokens {
  tokens: number[];
  count: number;
  max_model_len: number;
}

export function tokenContract(contract: Contract): void {
  const ask = async <T>(path: string, body: unknown): Promise<T> => bodyOf(await post<T>(contract.url(), path, body));

  describe("tokens", () => {
    it("of a text go there and back, under both paths", async () => {
      const prompt = "Click the “Save” button — 100 %!\n";
      const one = await ask<Tokens>("/tokenize", { prompt });
      expect(one).toEqual({ tokens: one.tokens, count: one.tokens.length, max_model_len: contract.facts.context });
      expect(await ask("/v1/tokenize", { prompt })).toEqual(one);
      expect(await ask("/detokenize", { tokens: one.tokens })).toEqual({ text: prompt });
    });

    it("of several texts come as lists", async () => {
      const both = await ask<{ tokens: number[][]; count: number[] }>("/tokenize", { prompt: ["click", "the button"] });
      expect(both.count).toEqual(both.tokens.map((row) => row.length));
      expect(await ask("/detokenize", { tokens: both.tokens })).toEqual({ text: ["click", "the button"] });
    });

    it("may be special, and are left out of text unless wanted", async () => {
      const prompt = "<|im_start|>user\nclick<|im_end|>";
      const { tokens } = await ask<Tokens>("/tokenize", { prompt });
      expect(await ask("/detokenize", { tokens })).toEqual({ text: "user\nclick" });
      expect(await ask("/detokenize", { tokens, skip_special_tokens: false })).toEqual({ text: prompt });
      expect(await ask("/detokenize", { tokens: [99_999_999] })).toEqual({ text: "" });
    });

    it("of a conversation have one placeholder per picture", async () => {
      const content = [imagePart(await picture(1)), textPart("a"), imagePart(await picture(2))];
      const ids = await tokenize(contract.url(), [{ role: "user", content }]);
      expect(ids.filter((id) => id === contract.facts.imagePad)).toHaveLength(2);
      const open = await tokenize(contract.url(), [{ role: "user", content }], { add_generation_prompt: false });
      expect(ids.slice(0, open.length)).toEqual(open);
      expect(ids.length).toBeGreaterThan(open.length);
    });

    it.each([{}, { prompt: "a", messages: [{ role: "user", content: "a" }] }])("are refused for %j", async (body) => {
      const answer = await post<{ message: string }>(contract.url(), "/tokenize", body);
      expect(answer.status).toBe(400);
      expect(answer.json?.message).toContain("Exactly one of 'prompt' or 'messages' must be provided.");
    });
  });
}
