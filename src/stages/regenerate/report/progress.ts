/** Counts and rates of a run, for people who watch it. Nothing here enters the artifact. */

import type { Dialogue } from "../../../dialogue/index.js";
import type { EventSink, ProgressPart } from "../../../events/index.js";
import type { Outcome } from "../../../sglang/index.js";
import type { ConversationEnd } from "../dialogues/conversation.js";
import type { PoolServer } from "../servers/pool-server.js";
import { Forecast } from "./forecast.js";
import { Statistics } from "./statistics.js";

const EVERY_MS = 500;
/** Rates are over about this long: long enough to be steady, short enough to show a server that dies. */
const WINDOW_MS = 15_000;
/** The time left is told from a longer one: it should not jump with every long answer. */
const FORECAST_WINDOW_MS = 120_000;

interface Sample {
  at: number;
  dialogues: number;
  turns: number;
  promptTokens: number;
  outputTokens: number;
  /** Answer tokens by server. */
  byServer: ReadonlyMap<string, number>;
}

type Sum = Exclude<keyof Sample, "at" | "byServer">;

/** Which question it is. */
export interface About {
  dialogue: string;
  /** Counts from 0. */
  turn: number;
  /** Asked again to measure agreement. */
  isRecheck: boolean;
}

/** A dialogue under way. */
export interface Begun {
  weight: number;
  /** Answer tokens so far, in this run. */
  tokens: number;
}

export class Progress {
  inFlight = 0;
  /** What the run's report is made from. */
  readonly statistics = new Statistics();
  private currentPhase = "";
  private done = 0;
  private answeredDialogues = 0;
  private turns = 0;
  private promptTokens = 0;
  private outputTokens = 0;
  private readonly failures: Record<string, number> = {};
  private readonly retries: Record<string, number> = {};
  private readonly byServer = new Map<string, { turns: number; tokens: number; faults: number }>();
  private readonly samples: Sample[] = [];
  private readonly forecast: Forecast;
  private timer: NodeJS.Timeout | undefined;
  private began = 0;

  constructor(
    private readonly step: string,
    private readonly events: EventSink,
    private readonly total: number | undefined,
    private readonly servers: () => readonly PoolServer[],
    private readonly now: () => number = Date.now,
  ) {
    this.forecast = new Forecast(total);
  }

  start(): void {
    this.began = this.now();
    this.sample();
    this.timer = setInterval(() => this.emit(), EVERY_MS);
  }

  stop(): void {
    clearInterval(this.timer);
    this.emit();
  }

  /** Since the first question could be asked. */
  get seconds(): number {
    return this.began === 0 ? 0 : (this.now() - this.began) / 1000;
  }

  /** What is going on beside the questions proper, such as the re-check; told at once. */
  get phase(): string {
    return this.currentPhase;
  }

  set phase(phase: string) {
    if (phase === this.currentPhase) return;
    this.currentPhase = phase;
    this.emit();
  }

  /** A dialogue that an earlier run finished. */
  skipped(dialogue: Dialogue): void {
    this.done += 1;
    this.statistics.skipped += 1;
    this.forecast.skips(dialogue);
  }

  begun(dialogue: Dialogue): Begun {
    return { weight: this.forecast.begins(dialogue), tokens: 0 };
  }

  /** An answer to a question of a dialogue, in whatever way it was judged. */
  came(begun: Begun, { answer }: Outcome): void {
    const tokens = answer?.responseIds.length ?? 0;
    begun.tokens += tokens;
    this.forecast.answered(tokens);
  }

  /** An answer of any kind, re-checks included. @param seconds - that the request took */
  answered({ answer }: Outcome, server: string, about: About, seconds: number): void {
    const tokens = answer?.responseIds.length ?? 0;
    const promptTokens = answer?.promptIds.length ?? 0;
    const { dialogue, turn, isRecheck } = about;
    this.statistics.answered({ dialogue, turn, isRecheck, server, seconds, promptTokens, answerTokens: tokens });
    if (answer?.counted === true && !isRecheck) this.statistics.counted += 1;
    this.turns += 1;
    this.promptTokens += promptTokens;
    this.outputTokens += tokens;
    const own = this.ofServer(server);
    own.turns += 1;
    own.tokens += tokens;
  }

  retried(reason: string, server: string): void {
    this.statistics.fault(server, reason);
    this.retries[reason] = (this.retries[reason] ?? 0) + 1;
    this.ofServer(server).faults += 1;
  }

  ended({ status, reason, row }: ConversationEnd, { weight, tokens }: Begun): void {
    this.done += 1;
    this.statistics.ended(status, reason, "turns" in row ? row.turns.length : 0);
    this.answeredDialogues += 1;
    this.forecast.ends(weight, tokens);
    if (status === "done" || reason === undefined) return;
    const name = status === "partial" ? `partial: ${reason}` : reason;
    this.failures[name] = (this.failures[name] ?? 0) + 1;
  }

  private ofServer(name: string): { turns: number; tokens: number; faults: number } {
    let own = this.byServer.get(name);
    if (own === undefined) {
      own = { turns: 0, tokens: 0, faults: 0 };
      this.byServer.set(name, own);
    }
    return own;
  }

  private sample(): Sample {
    const { answeredDialogues: dialogues, turns, promptTokens, outputTokens } = this;
    const byServer = new Map([...this.byServer].map(([name, { tokens }]) => [name, tokens]));
    const now: Sample = { at: this.now(), dialogues, turns, promptTokens, outputTokens, byServer };
    this.samples.push(now);
    while (this.samples.length > 2 && now.at - this.samples[0]!.at > FORECAST_WINDOW_MS) this.samples.shift();
    return now;
  }

  private emit(): void {
    const now = this.sample();
    this.statistics.sample(this.seconds);
    const first = this.samples.find(({ at }) => now.at - at <= WINDOW_MS)!;
    const seconds = secondsBetween(first, now);
    const perSecond = (name: Sum): number => rounded((now[name] - first[name]) / seconds);
    this.events.emit({
      type: "step-progress",
      step: this.step,
      done: this.done,
      ...(this.total === undefined ? {} : { total: this.total }),
      unit: "dialogues",
      rates: {
        "turns/s": perSecond("turns"),
        "prompt tokens/s": perSecond("promptTokens"),
        "output tokens/s": perSecond("outputTokens"),
        "in flight": this.inFlight,
      },
      failures: { ...this.failures },
      ...this.timeLeft(now),
      parts: this.servers().map((server) => this.partOf(server, first, now)),
      note: this.note(),
    });
  }

  private timeLeft(now: Sample): { secondsLeft?: number } {
    const oldest = this.samples[0]!;
    const seconds = secondsBetween(oldest, now);
    const left = this.forecast.secondsLeft((now.outputTokens - oldest.outputTokens) / seconds, seconds);
    return left === undefined ? {} : { secondsLeft: Math.round(left) };
  }

  private partOf({ name, state, slots, trouble }: PoolServer, first: Sample, now: Sample): ProgressPart {
    const tokens = (now.byServer.get(name) ?? 0) - (first.byServer.get(name) ?? 0);
    const { turns, faults } = this.ofServer(name);
    return {
      name: name.replace(/^https?:\/\//, ""),
      state,
      values: {
        "in flight": slots,
        "tokens/s": rounded(tokens / secondsBetween(first, now)),
        answers: turns,
        faults,
      },
      ...(state === "up" || trouble === "" ? {} : { note: trouble }),
    };
  }

  /** What is going on, then what was asked again and why. */
  private note(): string {
    const retries = Object.entries(this.retries).map(([reason, count]) => `${reason} ${count}`);
    const parts = [this.phase, retries.length === 0 ? "" : `asked again: ${retries.join(", ")}`];
    return parts.filter((part) => part !== "").join("; ");
  }
}

function secondsBetween(first: Sample, last: Sample): number {
  return Math.max((last.at - first.at) / 1000, 0.001);
}

function rounded(rate: number): number {
  return Math.round(rate * 10) / 10;
}
