/** SGLang's own endpoint: the same answers as chat from the same ids. */
import { describe, expect, it } from "vitest";
import { bodyOf, chat, type GenerateAnswer, type Message, post, tokenize } from "./http.js";
import { imagePart, picture, textPart } from "./pictures.js";
import type { Contract } from "./suite.js";

export function generateContract(contract: Contract): void {
  const generate = async (body: Record<string, unknown>): Promise<GenerateAnswer> =>
    bodyOf(await post<GenerateAnswer>(contract.url(), "/generate", body));
  const greedy = { temperature: 0, repetition_penalty: 1 };

  describe("/generate", () => {
    it("answers ids with one placeholder per picture as chat answers the messages", async () => {
      const [a, b] = await Promise.all([picture(1), picture(2, 192, 256)]);
      const messages: Message[] = [
        { role: "user", content: [imagePart(a), textPart("Click on Save.")] },
        { role: "assistant", content: "Save it is." },
        { role: "user", content: [imagePart(b), textPart("Click the red button.")] },
      ];
      const wanted = await chat(contract.url(), messages);
      const answer = await generate({
        input_ids: await tokenize(contract.url(), messages),
        image_data: [a.dataUri, b.png.toString("base64")],
        return_prompt_token_ids: true,
        sampling_params: { ...greedy, max_new_tokens: 48 },
      });
      expect(answer.prompt_token_ids).toEqual(wanted.prompt_token_ids);
      expect(answer.output_ids).toEqual(wanted.response_token_ids);
      expect(answer.text).toBe(wanted.message.content);
      expect(Object.keys(answer)).toEqual(["text", "output_ids", "meta_info", "prompt_token_ids"]);
    });

    it("answers text, and as many prompts as are sent", async () => {
      const params = { ...greedy, max_new_tokens: 5 };
      const one = await generate({ text: "click the button", sampling_params: params });
      expect(one.output_ids).toHaveLength(5);
      expect(one.prompt_token_ids).toBeUndefined();
      const body = { text: ["click the button", "scroll"], sampling_params: params };
      const many = bodyOf(await post<GenerateAnswer[]>(contract.url(), "/generate", body));
      expect(many).toHaveLength(2);
      expect(many[0]?.output_ids).toEqual(one.output_ids);
      const rows = { input_ids: [[5, 6], [7]], sampling_params: params };
      expect(bodyOf(await post<GenerateAnswer[]>(contract.url(), "/generate", rows))).toHaveLength(2);
    });

    it("stops after 128 tokens when not told otherwise", async () => {
      const answer = await generate({ text: "click", sampling_params: { ...greedy, ignore_eos: true } });
      expect(answer.output_ids).toHaveLength(128);
      expect(answer.meta_info.finish_reason).toEqual({ type: "length", length: 128 });
    });

    it("prefers ids to text and keeps a request id", async () => {
      const params = { ...greedy, max_new_tokens: 3 };
      const byIds = await generate({ input_ids: [1], sampling_params: params });
      const both = await generate({ input_ids: [1], text: "click", rid: "my-id", sampling_params: params });
      expect(both.output_ids).toEqual(byIds.output_ids);
      expect(both.meta_info.id).toBe("my-id");
    });

    it("streams everything so far, again and again", async () => {
      const body = { text: "click the button", stream: true, sampling_params: { ...greedy, max_new_tokens: 4 } };
      const { text } = await post(contract.url(), "/generate", { ...body });
      const lines = text.split("\n\n").filter((line) => line !== "");
      expect(lines.at(-1)).toBe("data: [DONE]");
      const parts = lines.slice(0, -1).map((line) => JSON.parse(line.slice(6)) as GenerateAnswer);
      const whole = await generate({ ...body, stream: false });
      expect(parts.at(-1)?.output_ids).toEqual(whole.output_ids);
      for (const part of parts) expect(whole.output_ids.slice(0, part.output_ids.length)).toEqual(part.output_ids);
    });

    it.each([
      [{}, { error: { message: "Either text, input_ids or input_embeds should be provided." } }],
      [{ input_ids: [] }, { error: { message: "input_ids cannot be empty." } }],
      [
        { text: "a", sampling_params: { max_new_tokens: -1 } },
        { error: { message: "max_new_tokens must be at least 0, got -1." } },
      ],
      [
        { text: "a", sampling_params: { nope: 1 } },
        { error: expect.stringMatching(/^unknown field `nope`, expected/) },
      ],
      [
        { text: 3 },
        { object: "error", type: "Bad Request", code: 400, message: expect.stringContaining("validation") },
      ],
      ["{nope", { object: "error", type: "Bad Request", code: 400, message: expect.stringContaining("json_invalid") }],
    ])("refuses %j in its own words", async (body, wanted) => {
      const answer = await post(contract.url(), "/generate", body);
      expect(answer.status).toBe(400);
      expect(answer.json).toMatchObject(wanted);
    });

    it("refuses what does not fit the context", async () => {
      const { context } = contract.facts;
      const long = await post<{ error: { message: string } }>(contract.url(), "/generate", {
        input_ids: Array<number>(context + 10).fill(5),
        sampling_params: { max_new_tokens: 1 },
      });
      expect([long.status, long.json?.error.message]).toEqual([
        400,
        `The input (${context + 10} tokens) is longer than the model's context length (${context} tokens).`,
      ]);
      const much = await post<{ error: { message: string } }>(contract.url(), "/generate", {
        input_ids: [5, 5],
        sampling_params: { max_new_tokens: context },
      });
      expect(much.status).toBe(400);
      expect(much.json?.error.message).toContain(`maximum context length of ${context} tokens`);
    });

    // The real server dies of such an id, its process and all.
    it.runIf(contract.features.strict)(
      "refuses ids outside the vocabulary and pictures without a placeholder",
      async () => {
        for (const body of [
          { input_ids: [contract.facts.vocabulary] },
          { input_ids: [-1] },
          { input_ids: [5], image_data: (await picture(1)).dataUri },
        ]) {
          expect((await post(contract.url(), "/generate", body)).status).toBe(400);
        }
      },
    );
  });
}
