/** Which messages of a dialogue a prompt carries, for every policy. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type ContentPart,
  type HistoryOption,
  historyFacts,
  historySchema,
  historyWords,
  imagesOf,
  type Message,
  promptMessages,
  recordedHistory,
} from "../../src/dialogue/index.js";
import { agentDialogue, histories } from "./history-arbitraries.js";

const say = (role: Message["role"], ...parts: (string | number)[]): Message => ({
  role,
  content: parts.map(
    (part): ContentPart =>
      typeof part === "string"
        ? { type: "text", text: part }
        : { type: "image", hash: String(part).repeat(64), width: 64, height: 64 },
  ),
});

/** "s u1[1] a": roles, texts, and images by number. */
function shown(messages: readonly Message[]): string {
  const parts = ({ content }: Message): string =>
    content
      .map((part) => (part.type === "image" ? `[${part.hash[0]}]` : part.type === "text" ? part.text : ""))
      .join("");
  return messages.map((message) => `${message.role[0]}:${parts(message)}`).join(" ");
}

const AGENT = [
  say("system", "S"),
  say("user", "task", 1),
  say("assistant", "A"),
  say("user", 2, "two"),
  say("assistant", "B"),
  say("tool", 3, "result"),
  say("assistant", "C"),
  say("user", 4),
];

describe("the history of a prompt", () => {
  it.each<[HistoryOption, string]>([
    ["all", "s:S u:task[1] a:A u:[2]two a:B t:[3]result a:C u:[4]"],
    [{ lastTurns: 0 }, "s:S u:[4]"],
    // The result of a call stays with it, so the window is longer than asked for.
    [{ lastTurns: 1 }, "s:S u:[2]two a:B t:[3]result a:C u:[4]"],
    [{ lastTurns: 2 }, "s:S u:[2]two a:B t:[3]result a:C u:[4]"],
    [{ lastTurns: 3 }, "s:S u:task[1] a:A u:[2]two a:B t:[3]result a:C u:[4]"],
    [{ lastTurns: 9 }, "s:S u:task[1] a:A u:[2]two a:B t:[3]result a:C u:[4]"],
    [{ lastTurns: 0, keepFirst: true }, "s:S u:task[1] u:[4]"],
    [{ lastImages: 2 }, "s:S u:task a:A u:two a:B t:[3]result a:C u:[4]"],
    [{ lastImages: 1, replacement: "(seen)" }, "s:S u:task(seen) a:A u:(seen)two a:B t:(seen)result a:C u:[4]"],
    [{ lastTurns: 0, keepFirst: true, lastImages: 1 }, "s:S u:task u:[4]"],
    [{ lastTurns: 1, lastImages: 1 }, "s:S u:two a:B t:result a:C u:[4]"],
  ])("under %j", (history, expected) => {
    expect(shown(promptMessages(AGENT, history))).toBe(expected);
  });

  it("never starts with the result of a call, and leaves a dialogue of calls alone whole", () => {
    const calls = [say("user", "go"), say("assistant", "A"), say("tool", "r"), say("assistant", "B"), say("tool", "q")];
    expect(shown(promptMessages(calls, { lastTurns: 0 }))).toBe("u:go a:A t:r a:B t:q");
  });

  it("keeps what it must, twice as once", () => {
    fc.assert(
      fc.property(agentDialogue, histories, ({ messages }, history) => {
        const ends = messages.flatMap(({ role }, at) => (role === "assistant" ? [at] : []));
        for (const end of ends) {
          const before = messages.slice(0, end);
          const prompt = promptMessages(before, history);
          expect(promptMessages(prompt, history)).toEqual(prompt);
          expect(prompt.at(-1)?.role).toBe(before.at(-1)?.role);
          if (before[0]!.role === "system") expect(prompt[0]).toEqual(before[0]);
          const start = prompt[0]!.role === "system" ? 1 : 0;
          expect(prompt[start]!.role).toBe("user");
          for (const [at, { role }] of prompt.entries()) {
            if (role === "tool") expect(["assistant", "tool"]).toContain(prompt[at - 1]!.role);
          }
          if (history === "all") {
            expect(prompt).toBe(before);
            continue;
          }
          const { lastTurns, lastImages } = history;
          const answers = prompt.filter(({ role }) => role === "assistant").length;
          const all = before.filter(({ role }) => role === "assistant").length;
          expect(answers).toBeGreaterThanOrEqual(Math.min(lastTurns ?? all, all));
          if (lastImages !== undefined) expect(imagesOf(prompt).length).toBeLessThanOrEqual(lastImages);
          // What is left is the end of what was there, in order.
          const hashes = imagesOf(prompt).map(({ hash }) => hash);
          if (lastTurns === undefined) {
            const whole = imagesOf(before).map(({ hash }) => hash);
            expect(hashes).toEqual(whole.slice(Math.max(0, whole.length - (lastImages ?? 0))));
            expect(prompt.map(({ role }) => role)).toEqual(before.map(({ role }) => role));
          }
        }
      }),
    );
  });
});

describe("the option", () => {
  it.each([
    ["none", /Invalid/],
    [{}, /history: all/],
    [{ keepFirst: true, lastImages: 2 }, /no effect without lastTurns/],
    [{ lastTurns: 2, replacement: "x" }, /no effect without lastImages/],
    [{ lastImages: 0 }, /lastImages|>=1/],
    [{ lastImages: 2, replacement: "<|image_pad|>" }, /special token/],
    [{ lastImages: 2, replacement: "an <image> was here" }, /special token/],
  ])("refuses %j", (value, message) => {
    const parsed = historySchema.safeParse(value);
    expect(parsed.success).toBe(false);
    expect(JSON.stringify(parsed.error?.issues)).toMatch(message);
  });

  it("is recorded and read again; facts without it say nothing", () => {
    fc.assert(
      fc.property(histories, (history) => {
        expect(recordedHistory({ history: historyFacts(history) })).toEqual(history);
      }),
    );
    expect(recordedHistory({})).toBeUndefined();
    expect(historyWords({ lastTurns: 3, keepFirst: true, lastImages: 2, replacement: "-" })).toBe(
      'the last 3 turns and the first question and the last 2 images (earlier ones as "-")',
    );
  });
});
