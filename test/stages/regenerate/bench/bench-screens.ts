/** What the stub of the benchmark answers about 1080p screenshots: prompts and answers of many lengths, ids of a large vocabulary. */
import { IM_END, SPECIAL, tokenize } from "../../../sglang-client/stub-model.js";

export interface ScreenAnswer {
  text: string;
  promptIds: number[];
  responseIds: number[];
}

const VARIANTS = 61;

/** 880 to 2,040 image pads, 100 tokens of text around them, answers of 20 to 80 tokens. */
export function screenAnswers(): ScreenAnswer[] {
  return Array.from({ length: VARIANTS }, (_, variant) => {
    const words = (count: number, salt: number): number[] =>
      Array.from({ length: count }, (_, k) => 2000 + ((Math.imul(k + 1, 7919) + variant * 104_729 + salt) % 148_000));
    const pads = new Array<number>(880 + Math.floor((variant * (2040 - 880)) / (VARIANTS - 1))).fill(
      SPECIAL["<|image_pad|>"],
    );
    const before = [...tokenize("<|im_start|>"), ...words(10, 0), SPECIAL["<|vision_start|>"]];
    const promptIds = [...before, ...pads, SPECIAL["<|vision_end|>"], ...words(90, 500)];
    const responseIds = [...words(20 + variant - 1, 900), IM_END];
    return { text: `answer ${variant}: ${"click on it ".repeat(5 + variant / 4)}`, promptIds, responseIds };
  });
}
