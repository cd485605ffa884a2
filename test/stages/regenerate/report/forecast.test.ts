import { describe, expect, it } from "vitest";
import type { Dialogue } from "../../../../src/dialogue/index.js";
import { Forecast, weightOf } from "../../../../src/stages/regenerate/report/forecast.js";

/** A dialogue whose recorded answers have these lengths in characters. */
function dialogue(...answers: number[]): Dialogue {
  return {
    id: "d",
    source: { file: "raw.jsonl", line: 1 },
    messages: answers.flatMap((length) => [
      { role: "user" as const, content: [{ type: "text" as const, text: "?" }] },
      { role: "assistant" as const, content: [{ type: "text" as const, text: "x".repeat(length) }] },
    ]),
  };
}

describe("the time left by tokens", () => {
  it("weighs dialogues by their recorded answers", () => {
    expect(weightOf(dialogue(400))).toBe(100);
    expect(weightOf(dialogue(400, 800))).toBe(300);
    const open = dialogue(400);
    open.messages.push({ role: "user", content: [{ type: "text", text: "and now?" }] });
    expect(weightOf(open)).toBe(164);
  });

  it("knows that long dialogues are still to come", () => {
    // 10 short ones have ended, 10 long ones are under way: by count half is done, by tokens a tenth.
    const forecast = new Forecast(20);
    for (let k = 0; k < 10; k += 1) {
      const weight = forecast.begins(dialogue(400));
      forecast.answered(50);
      forecast.ends(weight, 50);
    }
    for (let k = 0; k < 10; k += 1) forecast.begins(dialogue(3600));
    // 0.5 tokens for each that the source lets expect: 10 * 900 * 0.5 are left, at 50 a second.
    expect(forecast.secondsLeft(50, 10)).toBeCloseTo(90, 5);
  });

  it("counts the answers of dialogues under way", () => {
    const forecast = new Forecast(10);
    const weights = Array.from({ length: 10 }, () => forecast.begins(dialogue(400, 400)));
    for (const weight of weights.slice(0, 5)) {
      forecast.answered(200);
      forecast.ends(weight, 200);
    }
    for (let k = 0; k < 5; k += 1) forecast.answered(100);
    expect(forecast.secondsLeft(100, 10)).toBeCloseTo(5, 5);
  });

  it("takes no time for what an earlier run finished", () => {
    const forecast = new Forecast(1000);
    for (let k = 0; k < 900; k += 1) forecast.skips(dialogue(400));
    for (let k = 0; k < 10; k += 1) {
      const weight = forecast.begins(dialogue(400));
      forecast.answered(100);
      forecast.ends(weight, 100);
    }
    expect(forecast.secondsLeft(100, 10)).toBeCloseTo(90, 5);
  });

  it("says nothing before there is something to say", () => {
    const forecast = new Forecast(100);
    expect(forecast.secondsLeft(100, 10)).toBeUndefined();
    for (let k = 0; k < 6; k += 1) forecast.ends(forecast.begins(dialogue(400)), 0);
    expect(forecast.secondsLeft(0, 10)).toBeUndefined();
    expect(new Forecast(undefined).secondsLeft(100, 10)).toBeUndefined();
  });
});
