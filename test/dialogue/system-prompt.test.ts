/** The one option `systemPrompt`: what it makes of dialogues, and how artifacts record it. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  declaredPrompt,
  type Message,
  recordedSystemPrompt,
  type SystemPromptOption,
  systemPromptFacts,
  systemPromptSchema,
  systemText,
  templateArguments,
  withSystemPrompt,
} from "../../src/dialogue/index.js";

const say = (role: Message["role"], text: string): Message => ({ role, content: [{ type: "text", text }] });
const QUESTION = say("user", "q");

const option: fc.Arbitrary<SystemPromptOption> = fc.oneof(
  fc.constant({ policy: "keep" as const }),
  fc.record({ policy: fc.constantFrom("set" as const, "refuse-if-different" as const), text: fc.string() }),
);
const dialogue: fc.Arbitrary<Message[]> = fc
  .option(fc.string())
  .map((text) => (text === null ? [QUESTION] : [say("system", text), QUESTION]));

describe("the option systemPrompt", () => {
  it("leaves every dialogue that it takes with the declared prompt, and everything else alone", () => {
    fc.assert(
      fc.property(option, dialogue, (given, messages) => {
        const result = withSystemPrompt(messages, given);
        const declared = declaredPrompt(given);
        if (result === undefined) {
          expect(given.policy).toBe("refuse-if-different");
          expect(systemText(messages)).not.toBe(declared);
          return;
        }
        expect(result.at(-1)).toEqual(QUESTION);
        expect(result.filter(({ role }) => role === "system").length).toBe(systemText(result) === null ? 0 : 1);
        expect(systemText(result)).toBe(declared === undefined ? systemText(messages) : declared);
        // Once more changes nothing.
        expect(withSystemPrompt(result, given)).toEqual(result);
      }),
    );
  });

  it("tells an empty system message, which templates render, from none", () => {
    const none = { policy: "refuse-if-different", text: "" } as const;
    expect(withSystemPrompt([QUESTION], none)).toBeDefined();
    expect(withSystemPrompt([say("system", ""), QUESTION], none)).toBeUndefined();
  });

  it("is read again from the facts of an artifact", () => {
    fc.assert(
      fc.property(option, (given) => {
        const parsed = systemPromptSchema.parse(given);
        expect(recordedSystemPrompt({ systemPrompt: systemPromptFacts(parsed) })).toEqual(parsed);
      }),
    );
    for (const facts of [{}, { systemPrompt: null }, { systemPrompt: { policy: "later", text: "x" } }]) {
      expect(recordedSystemPrompt(facts)).toBeUndefined();
    }
  });
});

describe("template arguments", () => {
  it.each([
    [{}, {}, {}],
    [{}, { enable_thinking: true }, { enable_thinking: true }],
    [{ thinking: "off" as const }, { enable_thinking: true, a: 1 }, { enable_thinking: false, a: 1 }],
    [{ thinking: "default" as const }, { enable_thinking: true, a: 1 }, { a: 1 }],
    [{ thinking: "default" as const, chatTemplateKwargs: { enable_thinking: false } }, {}, { enable_thinking: false }],
    [{ chatTemplateKwargs: { b: 2 } }, { enable_thinking: true, a: 1 }, { b: 2 }],
  ])("%j over recorded %j are %j", (declared, recorded, wanted) => {
    expect(templateArguments(declared, recorded)).toEqual(wanted);
  });
});
