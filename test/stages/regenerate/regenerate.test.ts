import { describe, expect, it } from "vitest";
import { turnIds } from "../../../src/dialogue/index.js";
import { closingStubs } from "../../sglang-client/closing-stubs.js";
import { answerTo, render } from "../../sglang-client/stub-model.js";
import { dialogues, fakePicture, largePicture, runStage, temporaryDirectory, writeArtifact } from "./harness.js";

const { stubOf } = closingStubs();

const SMALL = [fakePicture(1), fakePicture(2)];
/** Beside a small one: larger than what is held in memory, and no multiple of the parts that it is read in. */
const LARGE = [largePicture(700_001), fakePicture(2)];

describe("regenerate", () => {
  it.each([
    ["pictures held in memory", SMALL],
    ["a picture read while it is sent", LARGE],
  ])("answers every turn with the target's own history and exact ids, in input order: %s", async (_, pictures) => {
    const url = (hash: string): string => {
      const picture = pictures.find((one) => one.hash === hash)!;
      return `data:image/png;base64,${picture.png.toString("base64")}`;
    };
    const stub = await stubOf({ delayMs: (n) => (n * 7) % 13 });
    const rows = dialogues(30, pictures);
    const input = await writeArtifact(await temporaryDirectory(), rows, pictures);
    const result = await runStage({ input, options: { servers: [stub.url], concurrency: 7 } });
    expect(result.rows.map(({ id }) => id)).toEqual(rows.map(({ id }) => id));
    expect(result.draft.counts).toMatchObject({ read: 30, kept: 30, rejected: {}, done: 30 });
    expect(stub.maxInFlight).toBeGreaterThan(3);
    expect(stub.maxInFlight).toBeLessThanOrEqual(7);
    for (const row of result.rows) {
      const ids = turnIds(row.turns);
      for (const [k, turn] of row.turns.entries()) {
        // The request that the stub would have got for this history, rendered again.
        const messages = row.messages.slice(0, turn.message).map((message) => ({
          role: message.role,
          content: message.content.map((part) => {
            if (part.type === "video") throw new Error("no request carries a video");
            return part.type === "text" ? part : { type: "image_url", image_url: { url: url(part.hash) } };
          }),
        }));
        const prompt = render({ messages }, true);
        expect([...ids[k]!.prompt]).toEqual(prompt);
        expect([...ids[k]!.response]).toEqual(answerTo(prompt, 2048).ids);
      }
      const assistants = row.messages.filter(({ role }) => role === "assistant");
      expect(
        assistants.every(({ content }) => content[0]?.type === "text" && content[0].text !== "recorded answer"),
      ).toBe(true);
    }
    // The stub's later prompts extend prompt and response, so `keep` saves them.
    const three = result.rows.find(({ turns }) => turns.length === 3)!;
    expect(three.turns[2]!.prompt.keep).toBeGreaterThan(three.turns[1]!.prompt.keep);
  });

  it("sends greedy fields and asks for ids", async () => {
    const stub = await stubOf();
    const input = await writeArtifact(await temporaryDirectory(), dialogues(1));
    await runStage({ input, options: { servers: [stub.url], thinking: "off", stopTokenIds: [7], maxNewTokens: 99 } });
    expect(stub.requests.at(-1)).toMatchObject({
      model: "stub",
      temperature: 0,
      top_p: 1,
      top_k: -1,
      min_p: 0,
      repetition_penalty: 1,
      presence_penalty: 0,
      frequency_penalty: 0,
      max_tokens: 99,
      stream: false,
      return_token_ids: true,
      return_prompt_token_ids: true,
      return_meta_info: true,
      chat_template_kwargs: { enable_thinking: false },
      stop_token_ids: [7],
    });
  });
});
