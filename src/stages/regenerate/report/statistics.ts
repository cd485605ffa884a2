/** All counts of a run's requests, in bounded memory; for progress and report, never for the artifact. */
import type { EndStatus } from "../../../dialogue/index.js";
import type { ReasonCounts } from "../../../events/index.js";
import { LogHistogram } from "../../../report/index.js";
import type { CheckPair, CheckRecord } from "../ledger/check-record.js";

const SLOWEST = 20;
/** Points of the curve; when there are more, every second one goes. */
const MOST_POINTS = 240;

export interface SlowRequest {
  dialogue: string;
  /** Counts from 0. */
  turn: number;
  server: string;
  seconds: number;
  promptTokens: number;
  answerTokens: number;
  /** Asked again to measure agreement. */
  isRecheck: boolean;
}

export interface Point {
  /** Since the run began. */
  seconds: number;
  /** Answer tokens and answers so far. */
  tokens: number;
  answers: number;
}

export class ServerStatistics {
  readonly seconds = new LogHistogram(0.001);
  promptTokens = 0;
  answerTokens = 0;
  /** Tokens of the longest prompt that it answered. */
  longestPrompt = 0;
  readonly faults: ReasonCounts = {};
}

/** Agreement of re-checked turns. */
export class RecheckStatistics {
  turns = 0;
  equal = 0;
  /** Of turns that differ: the index of the first other id. */
  readonly firstDifferences = new LogHistogram(1, true);
  /** By who answered first, and who was asked again. */
  readonly pairs = new Map<string, CheckPair>();
  /** Turns among them that earlier runs of the same work had checked. */
  earlierTurns = 0;

  addEarlier(check: CheckRecord): void {
    this.earlierTurns += check.turns;
    this.add(check);
  }

  add({ turns, equal, firstDifferences, pairs }: CheckRecord): void {
    this.turns += turns;
    this.equal += equal;
    for (const index of firstDifferences) this.firstDifferences.add(index);
    for (const pair of pairs) {
      const key = JSON.stringify([pair.first, pair.again]);
      const before = this.pairs.get(key) ?? { turns: 0, equal: 0 };
      this.pairs.set(key, { ...pair, turns: before.turns + pair.turns, equal: before.equal + pair.equal });
    }
  }
}

/** What comparing prompt ids with the local rendering gave; all zero without a model directory. */
export class PromptStatistics {
  /** Turns whose prompts are equal. */
  compared = 0;
  /** Turns that the local renderer cannot render, by reason: their servers were asked a probe instead. */
  readonly notRendered: ReasonCounts = {};
  /** Answers that were not used because their prompt was wrong, by server. */
  readonly differing: ReasonCounts = {};

  differed(server: string): void {
    count(this.differing, server);
  }

  /** @returns whether it is the first one for this reason */
  notRenderedFor(reason: string): boolean {
    count(this.notRendered, reason);
    return this.notRendered[reason] === 1;
  }
}

export class Statistics {
  /** Without the re-check, which the figures of servers include: it is work for them as well. */
  readonly promptTokens = new LogHistogram(1, true);
  readonly answerTokens = new LogHistogram(1, true);
  readonly turnsPerDialogue = new LogHistogram(1, true);
  readonly recheck = new RecheckStatistics();
  readonly prompts = new PromptStatistics();
  readonly seconds = new LogHistogram(0.001);
  readonly servers = new Map<string, ServerStatistics>();
  readonly ends: Record<EndStatus, number> = { done: 0, partial: 0, rejected: 0, failed: 0 };
  /** Why dialogues did not end as done. */
  readonly reasons: Record<Exclude<EndStatus, "done">, ReasonCounts> = { partial: {}, rejected: {}, failed: {} };
  readonly retries: ReasonCounts = {};
  slowest: SlowRequest[] = [];
  points: Point[] = [];
  /** Dialogues that an earlier run had finished: nothing else here counts them. */
  skipped = 0;
  /** Answers whose ids are the local ones, by count alone; without the re-check. */
  counted = 0;
  /** Of all answers, re-checks included. */
  promptTokenSum = 0;
  answerTokenSum = 0;
  private every = 1;
  private sinceLast = 0;

  /** A final answer, whatever its verdict. */
  answered(request: SlowRequest): void {
    const { server, seconds, promptTokens, answerTokens, isRecheck } = request;
    if (!isRecheck) {
      this.promptTokens.add(promptTokens);
      this.answerTokens.add(answerTokens);
    }
    this.seconds.add(seconds);
    this.promptTokenSum += promptTokens;
    this.answerTokenSum += answerTokens;
    const own = this.of(server);
    own.seconds.add(seconds);
    own.promptTokens += promptTokens;
    own.answerTokens += answerTokens;
    own.longestPrompt = Math.max(own.longestPrompt, promptTokens);
    if (this.slowest.length === SLOWEST && seconds <= this.slowest.at(-1)!.seconds) return;
    this.slowest.push(request);
    this.slowest.sort((a, b) => b.seconds - a.seconds);
    this.slowest.length = Math.min(SLOWEST, this.slowest.length);
  }

  /** An attempt without a usable answer. */
  fault(server: string, reason: string): void {
    count(this.retries, reason);
    count(this.of(server).faults, reason);
  }

  ended(status: EndStatus, reason: string | undefined, turns: number): void {
    this.ends[status] += 1;
    if (reason !== undefined && status !== "done") count(this.reasons[status], reason);
    if (turns > 0) this.turnsPerDialogue.add(turns);
  }

  /** Called at an even pace. @param seconds - since the run began */
  sample(seconds: number): void {
    this.sinceLast += 1;
    if (this.sinceLast < this.every) return;
    this.sinceLast = 0;
    this.points.push({ seconds, tokens: this.answerTokenSum, answers: this.seconds.count });
    if (this.points.length < MOST_POINTS) return;
    this.points = this.points.filter((_, at) => at % 2 === 1);
    this.every *= 2;
  }

  private of(server: string): ServerStatistics {
    let own = this.servers.get(server);
    if (own === undefined) {
      own = new ServerStatistics();
      this.servers.set(server, own);
    }
    return own;
  }
}

function count(counts: ReasonCounts, reason: string): void {
  counts[reason] = (counts[reason] ?? 0) + 1;
}
