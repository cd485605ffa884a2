/** A pretend model for the stub server: bytes as tokens, an answer that depends on the whole prompt and nothing else. */
import { createHash } from "node:crypto";
import { isJsonObject, type JsonObject, type JsonValue } from "../../src/base/index.js";

/** What gives the stub's ids, where it is to be a real model directory. */
export interface StubModel {
  /** Ends answers. */
  end: number;
  tokenize(text: string): Promise<number[]>;
  /** Of an answer, without its end. */
  text(ids: readonly number[]): Promise<string>;
  /** The prompt of a request's body, with all image pads or one for each image. */
  render(body: JsonObject, expanded: boolean): Promise<number[]>;
}

export const SPECIAL = {
  "<|im_start|>": 1000,
  "<|im_end|>": 1001,
  "<|endoftext|>": 1002,
  "<|vision_start|>": 1003,
  "<|vision_end|>": 1004,
  "<|image_pad|>": 1005,
  "<|video_pad|>": 1006,
  "<|vision_pad|>": 1007,
} as const;
export const IM_END = SPECIAL["<|im_end|>"];
const PAD = SPECIAL["<|image_pad|>"];
const SPLIT = new RegExp(
  `(${Object.keys(SPECIAL)
    .map((name) => name.replaceAll("|", "\\|"))
    .join("|")})`,
);

export function tokenize(text: string): number[] {
  return text.split(SPLIT).flatMap((piece) => {
    const id = (SPECIAL as Record<string, number>)[piece];
    return id === undefined ? [...Buffer.from(piece)] : [id];
  });
}

export function untokenize(ids: readonly number[]): string {
  return Buffer.from(ids.filter((id) => id < 256)).toString("utf8");
}

function urlOf(part: JsonObject): string {
  const image = part.image_url;
  if (!isJsonObject(image) || typeof image.url !== "string") throw new Error("a part is neither text nor an image");
  return image.url;
}

/** The addresses of all pictures in a request's messages, in order. */
export function imageUrls(messages: readonly JsonObject[]): string[] {
  return messages.flatMap(({ content }) =>
    Array.isArray(content)
      ? content
          .filter(isJsonObject)
          .filter(({ type }) => type === "image_url")
          .map(urlOf)
      : [],
  );
}

/** Ids of the prompt; a picture becomes one pad, or as many as its own bytes say. */
export function render(body: JsonObject, expanded: boolean): number[] {
  const kwargs = (body.chat_template_kwargs ?? {}) as JsonObject;
  let text = body.tools === undefined ? "" : `<|im_start|>system\n${JSON.stringify(body.tools)}<|im_end|>\n`;
  const pads: number[] = [];
  for (const message of body.messages as JsonObject[]) {
    text += `<|im_start|>${String(message.role)}\n`;
    if (typeof message.content === "string") text += message.content;
    else {
      for (const part of message.content as JsonObject[]) {
        if (part.type === "text") text += String(part.text);
        else {
          text += "<|vision_start|><|image_pad|><|vision_end|>";
          pads.push(padsOf(urlOf(part)));
        }
      }
    }
    if (message.tool_calls !== undefined) text += JSON.stringify(message.tool_calls);
    text += "<|im_end|>\n";
  }
  text += `<|im_start|>assistant\n${kwargs.enable_thinking === true ? "<think>\n" : ""}`;
  return tokenize(text).flatMap((id) =>
    id === PAD && expanded ? new Array<number>(pads.shift() ?? 1).fill(PAD) : [id],
  );
}

/** 4 to 19 pads, by content: another picture shows in the ids. */
export function padsOf(url: string): number {
  return 4 + (createHash("sha256").update(url).digest()[0]! % 16);
}

const WORDS = ["click", "type", "scroll", "the", "red", "green", "button", "field", "now", "then", "wait"];

/** The answer's text. */
export function wordsFor(promptIds: readonly number[]): string {
  const seed = createHash("sha256").update(JSON.stringify(promptIds)).digest();
  const count = 3 + (seed[0]! % 6);
  const words = Array.from({ length: count }, (_, k) => WORDS[seed[k + 1]! % WORDS.length]!);
  return `${words.join(" ")} ${seed.readUInt16BE(20)}`;
}

/** Ids of the answer, stop included; longer than `maxTokens` it is cut. */
export function answerTo(promptIds: readonly number[], maxTokens: number): { ids: number[]; cut: boolean } {
  const ids = [...tokenize(wordsFor(promptIds)), IM_END];
  return ids.length > maxTokens ? { ids: ids.slice(0, maxTokens), cut: true } : { ids, cut: false };
}

export type { JsonValue };
