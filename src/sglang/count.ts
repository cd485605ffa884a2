/**
 * Ids of an answer that came without any: the caller renders the prompt and encodes the text, the server's counts must
 * agree with both. A text may have several encodings of one length, so such ids are marked and never the first choice.
 */
import type { Answer, GoodAnswer } from "./answer.js";
import type { Dialect } from "./dialect.js";
import { judgeFinishType, MAX_CHARACTERS_PER_ID, type Refusal, type RejectReason } from "./judge.js";

/** Ids, or why there are none. */
export type LocalIdList = { ids: number[] } | { problem: string };

/** What the caller knows of one question; this room knows neither templates nor tokenizers. */
export interface LocalIds {
  /** Of the whole prompt as the model sees it, pads of pictures included. */
  prompt(): Promise<LocalIdList>;
  /** Of an answer's text without its stop; a problem where these ids would not give that very text again. */
  text(text: string): Promise<LocalIdList>;
  /** Ids that end the model's answers. */
  stops: readonly number[];
  /** The tokenizer's own end of sequence. */
  endOfSequence: number | undefined;
}

export interface CountRules {
  dialect: Dialect;
  /** Of the answer, stop included. */
  maxTokens: number;
  /** Sent along, beside the model's own. */
  stopTokenIds: readonly number[];
}

export const COUNTED_FIELDS = {
  prompt: "rendered locally, checked against usage.prompt_tokens",
  response: "encoded locally, checked against usage.completion_tokens",
} as const;

/** A refusal of the answer's half comes with what is known of the answer: its prompt is then certain. */
export type Counted = { answer: GoodAnswer; refusal?: Refusal } | { answer?: undefined; refusal: Refusal };

/** @param answer - from chat, asked for as one text: with `wholeText`, reasoning is not taken out of it */
export async function countIds(answer: Answer, own: LocalIds, rules: CountRules): Promise<Counted> {
  const finish = judgeFinishType(answer);
  if (finish !== undefined) return { refusal: finish };
  const { promptTokens, completionTokens } = answer;
  if (promptTokens === undefined || completionTokens === undefined) {
    return { refusal: missing("neither ids nor counts of tokens (`usage`) in the answer") };
  }
  const prompt = await own.prompt();
  if ("problem" in prompt) return { refusal: reject("prompt-count", `no prompt of our own: ${prompt.problem}`) };
  if (prompt.ids.length !== promptTokens) {
    const message = `${prompt.ids.length} ids rendered here, the server counts ${promptTokens}`;
    return { refusal: reject("prompt-count", message) };
  }
  if (isOther(answer.promptIds, prompt.ids)) {
    return { refusal: reject("prompt-count", "the server sent prompt ids after all, and they are others") };
  }
  const known = { ...answer, promptIds: prompt.ids, responseIds: [], counted: true as const, idFields: COUNTED_FIELDS };
  // Lengths first: what is too long is not encoded.
  const characters = answer.text.length;
  if (completionTokens > rules.maxTokens || characters > MAX_CHARACTERS_PER_ID * Math.max(1, completionTokens)) {
    const message = `${characters} characters, ${completionTokens} tokens of at most ${rules.maxTokens}`;
    return { refusal: { kind: "transient", reason: "answer-malformed", message } };
  }
  const response = await responseIds(answer, own, rules);
  if ("problem" in response) return { answer: known, refusal: reject("answer-text", response.problem) };
  const counted: GoodAnswer = { ...known, responseIds: response.ids };
  if (response.ids.length !== completionTokens) {
    const message = `${response.ids.length} ids encoded here, the server counts ${completionTokens}`;
    return { answer: counted, refusal: reject("answer-count", message) };
  }
  if (isOther(answer.responseIds, response.ids)) {
    return { answer: counted, refusal: reject("answer-count", "the server sent response ids after all, others") };
  }
  const matched = response.stop ?? answer.finish.matched;
  return { answer: { ...counted, finish: { ...answer.finish, matched } } };
}

/**
 * Only where the text is surely what was generated. A parser of reasoning strips white space that no count shows ("\n"
 * and "\n\n" are one token each), and one of tool calls takes JSON apart that may have been written in many ways.
 */
async function responseIds(
  { text, reasoning, toolCalls, finish }: Answer,
  own: LocalIds,
  rules: CountRules,
): Promise<{ ids: number[]; stop: number | undefined } | { problem: string }> {
  if (toolCalls.length > 0 || finish.type === "tool_calls") {
    return { problem: "a parser took tool calls out of the text; start the server without --tool-call-parser" };
  }
  if (reasoning !== undefined) {
    return { problem: "a parser took the reasoning out of the text; start the server without --reasoning-parser" };
  }
  // Also how servers write bytes that are no text, and then it may be any of them.
  if (text.includes("\uFFFD")) return { problem: "the text holds U+FFFD, which may stand for any broken character" };
  const stop = finish.type === "length" ? undefined : stopOf(finish.matched, own, rules);
  if (stop !== undefined && typeof stop !== "number") return stop;
  const body = await own.text(text);
  if ("problem" in body) return body;
  return { ids: stop === undefined ? body.ids : [...body.ids, stop], stop };
}

function stopOf(
  matched: Answer["finish"]["matched"],
  { stops, endOfSequence }: LocalIds,
  { dialect, stopTokenIds }: CountRules,
): number | { problem: string } {
  const possible = [...new Set([...stops, ...stopTokenIds])];
  if (typeof matched === "number" && possible.includes(matched)) return matched;
  if (matched !== null)
    return { problem: `it stopped at ${JSON.stringify(matched)}, which is no stop id of the model` };
  if (dialect.silentEndOfSequence && endOfSequence !== undefined) return endOfSequence;
  if (possible.length === 1) return possible[0]!;
  return { problem: `the server does not say at which of the ids ${possible.join(", ")} it stopped` };
}

function isOther(theirs: Answer["promptIds"], ours: readonly number[]): boolean {
  return Array.isArray(theirs) && (theirs.length !== ours.length || theirs.some((id, at) => id !== ours[at]));
}

function missing(message: string): Refusal {
  return { kind: "transient", reason: "ids-missing", message };
}

function reject(reason: RejectReason, message: string): Refusal {
  return { kind: "reject", reason, message };
}
