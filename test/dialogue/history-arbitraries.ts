/** Random dialogues of agents, with several screenshots, tool results with screenshots and calls, and random policies. */
import fc from "fast-check";
import type { ContentPart, HistoryOption, Message } from "../../src/dialogue/index.js";

export const histories: fc.Arbitrary<HistoryOption> = fc.oneof(
  { weight: 1, arbitrary: fc.constant("all" as const) },
  {
    weight: 6,
    arbitrary: fc
      .record({
        lastTurns: fc.option(fc.nat(4), { nil: undefined }),
        keepFirst: fc.boolean(),
        lastImages: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
        replacement: fc.option(fc.constantFrom("[earlier screenshot]", " "), { nil: undefined }),
      })
      .filter(({ lastTurns, lastImages }) => lastTurns !== undefined || lastImages !== undefined)
      .map(({ lastTurns, keepFirst, lastImages, replacement }) => ({
        ...(lastTurns === undefined ? {} : { lastTurns, ...(keepFirst ? { keepFirst } : {}) }),
        ...(lastImages === undefined ? {} : { lastImages, ...(replacement === undefined ? {} : { replacement }) }),
      })),
  },
);

/** Whoever answers a message with this mark makes a call, and a result follows. */
export const CALL_MARK = "[call]";
export const CALL = { name: "tap", arguments: { x: 5 } };

export interface Screen {
  hash: string;
  width: number;
  height: number;
}

/** @param screens - what its images show */
export function agentDialogues(screens: readonly Screen[]): fc.Arbitrary<{ messages: Message[] }> {
  const image = fc.constantFrom(...screens).map((screen): ContentPart => ({ type: "image", ...screen }));
  const text = fc
    .stringMatching(/^[a-z ]{0,12}$/)
    .map((words): ContentPart => ({ type: "text", text: `Dialogue: ${words}` }));
  const content = fc.array(fc.oneof({ weight: 2, arbitrary: image }, text), { minLength: 1, maxLength: 3 });
  const turn = fc.record({
    user: fc.array(content, { minLength: 1, maxLength: 2 }),
    results: fc.array(content, { maxLength: 2 }),
  });
  return fc
    .record({ system: fc.boolean(), turns: fc.array(turn, { minLength: 1, maxLength: 5 }) })
    .map(({ system, turns }) => {
      const messages: Message[] = system ? [{ role: "system", content: [{ type: "text", text: "You act." }] }] : [];
      for (const { user, results } of turns) {
        const asked: Message[] = [
          ...user.map((parts): Message => ({ role: "user", content: parts })),
          ...results.map((parts): Message => ({ role: "tool", content: parts })),
        ];
        // A question before each result: it ends with the mark.
        const firstResult = user.length;
        for (const [at, message] of asked.entries()) {
          const isLastQuestion = at >= firstResult - 1;
          const calls = isLastQuestion && at < asked.length - 1;
          messages.push(
            calls ? { ...message, content: [...message.content, { type: "text", text: CALL_MARK }] } : message,
          );
          if (!isLastQuestion) continue;
          messages.push({
            role: "assistant",
            content: [{ type: "text", text: "said" }],
            ...(calls ? { toolCalls: [CALL] } : {}),
          });
        }
      }
      return { messages };
    });
}

export const agentDialogue = agentDialogues(
  Array.from({ length: 9 }, (_, k) => ({ hash: String(k + 1).repeat(64), width: 64, height: 64 })),
);
