/**
 * How long a run will still take, by tokens: dialogues differ widely in length, and those that an earlier run finished
 * cost nothing. The source's own answers say which dialogues are long; how much longer or shorter the target's answers
 * are shows in those that have ended.
 */
import type { Dialogue } from "../../../dialogue/index.js";

/** Approximate characters per token; only ratios between dialogues matter. */
const CHARACTERS_PER_TOKEN = 4;
/** Assumed for a question whose answer the source does not have. */
const TOKENS_OF_UNKNOWN = 64;
/** A forecast from fewer ended dialogues would be erratic. */
const LEAST_ENDED = 5;
const LEAST_SECONDS = 3;

export class Forecast {
  /** Dialogues seen so far, finished earlier or not, and their weight. */
  private seen = 0;
  private seenWeight = 0;
  /** Dialogues that were begun in this run. */
  private begunWeight = 0;
  private ended = 0;
  private endedWeight = 0;
  /** Answer tokens of those that have ended, and of all in this run. */
  private endedTokens = 0;
  private tokens = 0;

  /** @param total - of all dialogues, if it is known */
  constructor(private readonly total: number | undefined) {}

  /** @returns its weight, to be given back when it ends */
  begins(dialogue: Dialogue): number {
    const weight = this.sees(dialogue);
    this.begunWeight += weight;
    return weight;
  }

  /** A dialogue that needs no questions: it says how long dialogues are, and nothing about speed. */
  skips(dialogue: Dialogue): void {
    this.sees(dialogue);
  }

  answered(tokens: number): void {
    this.tokens += tokens;
  }

  /** @param tokens - of all its answers in this run, kept or not */
  ends(weight: number, tokens: number): void {
    this.ended += 1;
    this.endedWeight += weight;
    this.endedTokens += tokens;
  }

  /** @param rate - answer tokens per second. @param seconds - since the first question */
  secondsLeft(rate: number, seconds: number): number | undefined {
    const { total, seen, ended } = this;
    if (total === undefined || ended < LEAST_ENDED || this.endedTokens === 0) return undefined;
    if (seconds < LEAST_SECONDS || rate <= 0) return undefined;
    const unseen = Math.max(0, total - seen) * (this.seenWeight / seen);
    const underWay = this.begunWeight - this.endedWeight;
    const tokensPerWeight = this.endedTokens / this.endedWeight;
    const left = (unseen + underWay) * tokensPerWeight - (this.tokens - this.endedTokens);
    return Math.max(0, left) / rate;
  }

  private sees(dialogue: Dialogue): number {
    const weight = weightOf(dialogue);
    this.seen += 1;
    this.seenWeight += weight;
    return weight;
  }
}

/** Answer tokens to expect, judging by the source; at least 1. */
export function weightOf({ messages }: Pick<Dialogue, "messages">): number {
  let weight = 0;
  for (const { role, content, reasoning } of messages) {
    if (role !== "assistant") continue;
    let characters = reasoning?.length ?? 0;
    for (const part of content) if (part.type === "text") characters += part.text.length;
    weight += characters === 0 ? TOKENS_OF_UNKNOWN : characters / CHARACTERS_PER_TOKEN;
  }
  if (messages.at(-1)?.role !== "assistant") weight += TOKENS_OF_UNKNOWN;
  return Math.max(1, weight);
}
