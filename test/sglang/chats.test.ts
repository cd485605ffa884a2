/**
 * Generated chats with 0 to 3 pictures, several turns, thinking and tools: the prompt that the real SGLang saw, that of
 * the reference server and the local rendering, id for id. DRAFTSMITH_CHATS and DRAFTSMITH_CHATS_SEED choose others.
 */
import { afterAll, expect, inject, test } from "vitest";
import { type RunningServer, startServer } from "../../src/trainer-process/index.js";
import { type ChatsTally, compareChats } from "../stages/validate/generated-chats.js";
import { figure, showFigures } from "./figures.js";
import { MODEL } from "./target.js";

const CHATS = Number(process.env.DRAFTSMITH_CHATS ?? 2000);
const SEED = Number(process.env.DRAFTSMITH_CHATS_SEED ?? 5);

let reference: RunningServer | undefined;
afterAll(async () => {
  showFigures();
  await reference?.stop();
});

test(`${CHATS} prompts of generated chats are the same on SGLang, on the reference server and here`, async () => {
  reference = await startServer({ model: MODEL, threads: 1 });
  const request = { chats: CHATS, seed: SEED, model: MODEL };
  const began = performance.now();
  const [real, ours] = await Promise.all([
    compareChats({ ...request, url: inject("plainServer") }),
    compareChats({ ...request, url: reference.url }),
  ]);
  figure("chats: seed, seconds for both servers", `${SEED}, ${((performance.now() - began) / 1000).toFixed(0)}`);
  figure("chats: prompts equal, SGLang", words(real));
  figure("chats: prompts equal, reference server", words(ours));
  figure(
    "chats: with 0, 1, 2, 3 pictures; several turns, thinking, tools",
    `${real.byImages.join(", ")}; ${real.severalTurns}, ${real.thinking}, ${real.tools}`,
  );
  for (const tally of [real, ours]) {
    expect(tally.examples).toEqual([]);
    expect(tally.refused).toEqual({});
    expect(tally.equal).toBe(CHATS);
  }
  for (const share of [...real.byImages, real.severalTurns, real.thinking, real.tools]) {
    expect(share).toBeGreaterThan(CHATS / 20);
  }
}, 3_600_000);

function words({ equal, different, promptTokens }: ChatsTally): string {
  return `${equal} of ${equal + different} (${promptTokens} ids)`;
}
