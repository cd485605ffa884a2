/** A server with a DFlash draft: the same ids, and counts that add up. */
import { describe, expect, it } from "vitest";
import { chat, type Message } from "./http.js";
import { imagePart, picture, textPart } from "./pictures.js";
import type { Contract } from "./suite.js";

export function draftContract(contract: Contract): void {
  describe("with a draft", () => {
    it("meta_info carries consistent acceptance counts", async () => {
      const content = [imagePart(await picture(1)), textPart("Click the red button.")];
      const messages: Message[] = [{ role: "user", content }];
      const { meta_info: meta, response_token_ids: ids } = await chat(contract.url(), messages);
      const steps = meta?.spec_verify_ct ?? 0;
      const histogram = meta?.spec_correct_drafts_histogram ?? [];
      expect(steps).toBeGreaterThan(0);
      expect(histogram.reduce((sum, n) => sum + n, 0)).toBe(steps);
      expect(histogram.reduce((sum, n, size) => sum + n * size, 0)).toBe(meta?.spec_num_correct_drafts);
      expect((meta?.spec_num_proposed_drafts ?? 0) % steps).toBe(0);
      expect(meta?.spec_accept_length).toBeCloseTo((ids?.length ?? 0) / steps, 10);
      // The prompt's own forward gives one token; drafts behind the end are counted but not said.
      expect(1 + steps + (meta?.spec_num_correct_drafts ?? 0)).toBeGreaterThanOrEqual(ids?.length ?? Infinity);
    });

    it("an answer of one token needs no step and has no counts", async () => {
      const { meta_info: meta } = await chat(contract.url(), [{ role: "user", content: "hi" }], { max_tokens: 1 });
      expect(Object.keys(meta ?? {}).filter((key) => key.startsWith("spec_"))).toEqual([]);
    });
  });
}
