/** Pictures in chat: expansion, order, identity, and what a picture may be. */
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { chat, type Message, post, tokenize } from "./http.js";
import { expand } from "./model.js";
import { imagePart, picture, textPart } from "./pictures.js";
import type { Contract } from "./suite.js";

export function imageContract(contract: Contract): void {
  describe("pictures", () => {
    it("expand the placeholder, and only that", async () => {
      const image = await picture(1);
      const messages: Message[] = [{ role: "user", content: [imagePart(image), textPart("Click the red button.")] }];
      const choice = await chat(contract.url(), messages);
      const plain = await tokenize(contract.url(), messages);
      const expanded = expand(plain, contract.facts, [image]);
      expect(choice.prompt_token_ids).toEqual(expanded);
      expect(choice.meta_info?.image_tokens).toBe(expanded.length - plain.length + 1);
    });

    it("keep their order, sizes and turns", async () => {
      const [a, b, c] = await Promise.all([picture(1), picture(2, 192, 256), picture(3, 320, 192)]);
      const messages: Message[] = [
        { role: "user", content: [imagePart(a), textPart("Click on Save."), imagePart(b)] },
        { role: "assistant", content: "Save it is." },
        { role: "user", content: [textPart("Now choose Filter."), imagePart(c)] },
      ];
      const choice = await chat(contract.url(), messages);
      const wanted = expand(await tokenize(contract.url(), messages), contract.facts, [a, b, c]);
      expect(choice.prompt_token_ids).toEqual(wanted);
      expect(choice.response_token_ids).toEqual((await chat(contract.url(), messages)).response_token_ids);
    });

    it("share no cached prefix with another picture of the same size", async () => {
      const ask = async (seed: number) => {
        const content = [imagePart(await picture(seed)), textPart("What is there?")];
        return chat(contract.url(), [{ role: "user", content }], { max_tokens: 2 });
      };
      const first = await ask(11);
      const second = await ask(12);
      const again = await ask(11);
      const pad = first.prompt_token_ids?.indexOf(contract.facts.imagePad) ?? -1;
      expect(second.meta_info?.cached_tokens).toBeLessThanOrEqual(pad);
      expect(again.meta_info?.cached_tokens).toBe((again.prompt_token_ids?.length ?? 0) - 1);
      expect(again.response_token_ids).toEqual(first.response_token_ids);
    });

    it("may come as raw base64, and be checked by their hash", async () => {
      const image = await picture(4);
      const ask = (part: unknown) =>
        chat(contract.url(), [{ role: "user", content: [part, textPart("Click the red button.")] } as Message]);
      const byUri = await ask(imagePart(image));
      const raw = await ask(imagePart(image.png.toString("base64")));
      expect(raw.response_token_ids).toEqual(byUri.response_token_ids);
      const hash = `sha256:${createHash("sha256").update(image.png).digest("hex")}`;
      const checked = await ask({ type: "image_url", image_url: { url: image.dataUri, content_hash: hash } });
      expect(checked.response_token_ids).toEqual(byUri.response_token_ids);
    });

    it.each([
      ["that is no base64", "data:image/png;base64,!!!!", "Non-base64 digit found"],
      ["that is no picture", `data:image/png;base64,${Buffer.from("hello").toString("base64")}`, "cannot identify"],
    ])("%s is refused", async (_what, url, message) => {
      const answer = await post<{ object: string; message: string; code: number }>(
        contract.url(),
        "/v1/chat/completions",
        { messages: [{ role: "user", content: [imagePart(url), textPart("hi")] }], max_tokens: 2 },
      );
      expect(answer.status).toBe(400);
      expect(answer.json).toMatchObject({ object: "error", type: "BadRequestError", param: null, code: 400 });
      expect(answer.json?.message).toContain(message);
    });

    it("that is truncated, too narrow, or another than its hash says is refused", async () => {
      const image = await picture(5);
      const narrow = await picture(6, 32 * 220, 32);
      const cut = `data:image/png;base64,${image.png.subarray(0, image.png.length - 40).toString("base64")}`;
      const parts: [unknown, string][] = [
        [imagePart(cut), "image file is truncated"],
        [imagePart(narrow), "aspect ratio"],
        [
          { type: "image_url", image_url: { url: image.dataUri, content_hash: `sha256:${"0".repeat(64)}` } },
          "content hash mismatch for media_data[0]",
        ],
      ];
      for (const [part, message] of parts) {
        const messages = [{ role: "user", content: [part, textPart("hi")] }];
        const answer = await post<{ message: string }>(contract.url(), "/v1/chat/completions", {
          messages,
          max_tokens: 2,
        });
        expect([answer.status, answer.json?.message]).toEqual([400, expect.stringContaining(message)]);
      }
    });

    it("a placeholder in the user's text next to a picture is refused", async () => {
      const text = textPart("a <|vision_start|><|image_pad|><|vision_end|> b");
      const answer = await post<{ message: string }>(contract.url(), "/v1/chat/completions", {
        messages: [{ role: "user", content: [imagePart(await picture(7)), text] }],
        max_tokens: 2,
      });
      expect(answer.status).toBe(400);
      expect(answer.json?.message).toBe("Prompt has 2 image placeholders but 1 image inputs were provided");
    });

    it.runIf(contract.features.strict)("from the network or from files are refused", async () => {
      for (const url of ["http://127.0.0.1:9/a.png", "file:///etc/hostname", "/etc/hostname"]) {
        const answer = await post<{ message: string }>(contract.url(), "/v1/chat/completions", {
          messages: [{ role: "user", content: [imagePart(url)] }],
          max_tokens: 2,
        });
        expect([answer.status, answer.json?.message]).toEqual([
          400,
          expect.stringMatching(/^Images from .* are refused/),
        ]);
      }
    });
  });
}
