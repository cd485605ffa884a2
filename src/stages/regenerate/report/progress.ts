/** Progress events of a run, from its statistics. Nothing here enters the artifact. */
import { defined } from "../../../base/index.js";
import type { Dialogue, EndRow, EndStatus } from "../../../dialogue/index.js";
import type { EventSink, ProgressPart } from "../../../events/index.js";
import type { Outcome } from "../../../sglang/index.js";
import type { PoolServer } from "../servers/pool-server.js";
import { Forecast } from "./forecast.js";
import { Statistics } from "./statistics.js";

const EVERY_MS = 500;
/** Rates are over this long: long enough to be steady, short enough to show a server that dies. */
const WINDOW_MS = 15_000;
/** The time left is estimated over longer: it should not jump with every long answer. */
const FORECAST_WINDOW_MS = 120_000;

interface Sample {
  at: number;
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

/** How a dialogue ended. */
export interface DialogueEnd {
  status: EndStatus;
  reason: string | undefined;
  row: EndRow;
}

/** A dialogue under way. */
export interface Begun {
  weight: number;
  /** Answer tokens so far, in this run. */
  tokens: number;
}

export class Progress {
  inFlight = 0;
  /** All counts; the report is made from them, too. */
  readonly statistics = new Statistics();
  private currentPhase = "";
  private done = 0;
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

  /** Since the servers were ready. */
  get seconds(): number {
    return this.began === 0 ? 0 : (this.now() - this.began) / 1000;
  }

  /** What is going on beside the questions themselves, such as the re-check; reported at once. */
  get phase(): string {
    return this.currentPhase;
  }

  set phase(phase: string) {
    if (phase === this.currentPhase) return;
    this.currentPhase = phase;
    this.emit();
  }

  /** A dialogue that an earlier run had finished. */
  skipped(dialogue: Dialogue): void {
    this.done += 1;
    this.statistics.skipped += 1;
    this.forecast.skips(dialogue);
  }

  begun(dialogue: Dialogue): Begun {
    return { weight: this.forecast.begins(dialogue), tokens: 0 };
  }

  /** An answer to a question of a dialogue, whatever its verdict. */
  came(begun: Begun, { answer }: Outcome): void {
    const tokens = answer?.responseIds.length ?? 0;
    begun.tokens += tokens;
    this.forecast.answered(tokens);
  }

  /** A final answer, whatever its verdict, re-checks included. @param seconds - that the request took */
  answered({ answer }: Outcome, server: string, about: About, seconds: number): void {
    const promptTokens = answer?.promptIds.length ?? 0;
    const answerTokens = answer?.responseIds.length ?? 0;
    const { dialogue, turn, isRecheck } = about;
    this.statistics.answered({ dialogue, turn, isRecheck, server, seconds, promptTokens, answerTokens });
    if (answer?.counted === true && !isRecheck) this.statistics.counted += 1;
  }

  retried(reason: string, server: string): void {
    this.statistics.fault(server, reason);
  }

  ended({ status, reason, row }: DialogueEnd, { weight, tokens }: Begun): void {
    this.done += 1;
    this.statistics.ended(status, reason, "turns" in row ? row.turns.length : 0);
    this.forecast.ends(weight, tokens);
  }

  private sample(): Sample {
    const { promptTokenSum: promptTokens, answerTokenSum: outputTokens, seconds, servers } = this.statistics;
    const byServer = new Map([...servers].map(([name, { answerTokens }]) => [name, answerTokens]));
    const now: Sample = { at: this.now(), turns: seconds.count, promptTokens, outputTokens, byServer };
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
      ...defined({ total: this.total }),
      unit: "dialogues",
      rates: {
        "turns/s": perSecond("turns"),
        "prompt tokens/s": perSecond("promptTokens"),
        "output tokens/s": perSecond("outputTokens"),
        "in flight": this.inFlight,
      },
      failures: { ...this.statistics.reasons.failed },
      rejected: { ...this.statistics.reasons.rejected },
      partial: { ...this.statistics.reasons.partial },
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
    const own = this.statistics.servers.get(name);
    const faults = Object.values(own?.faults ?? {}).reduce((sum, count) => sum + count, 0);
    return {
      name: name.replace(/^https?:\/\//, ""),
      state,
      values: {
        "in flight": slots,
        "tokens/s": rounded(tokens / secondsBetween(first, now)),
        answers: own?.seconds.count ?? 0,
        faults,
      },
      ...(state === "up" || trouble === "" ? {} : { note: trouble }),
    };
  }

  /** What is going on, then what was asked again and why. */
  private note(): string {
    const retries = Object.entries(this.statistics.retries).map(([reason, count]) => `${reason} ${count}`);
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
