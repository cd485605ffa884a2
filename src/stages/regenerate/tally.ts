/** Counts and rates of a run, for people who watch it. Nothing here enters the artifact. */
import type { EventSink } from "../../events/index.js";
import type { Outcome } from "../../sglang/index.js";
import type { ConversationEnd } from "./conversation.js";
import type { Member } from "./member.js";

const EVERY_MS = 500;
/** Rates are over about this long: long enough to be steady, short enough to show a server that dies. */
const WINDOW_MS = 15_000;

interface Sample {
  at: number;
  dialogues: number;
  turns: number;
  promptTokens: number;
  outputTokens: number;
}

export class Tally {
  inFlight = 0;
  /** What is going on beside the questions proper, such as the re-check. */
  phase = "";
  private done = 0;
  private answeredDialogues = 0;
  private turns = 0;
  private promptTokens = 0;
  private outputTokens = 0;
  private readonly failures: Record<string, number> = {};
  private readonly retries: Record<string, number> = {};
  private readonly samples: Sample[] = [];
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly step: string,
    private readonly events: EventSink,
    private readonly total: number | undefined,
    private readonly members: () => readonly Member[],
  ) {}

  start(): void {
    this.sample();
    this.timer = setInterval(() => this.emit(), EVERY_MS);
  }

  stop(): void {
    clearInterval(this.timer);
    this.emit();
  }

  /** A dialogue that an earlier run finished. */
  skipped(): void {
    this.done += 1;
  }

  answered({ answer }: Outcome): void {
    this.turns += 1;
    this.promptTokens += answer?.promptIds.length ?? 0;
    this.outputTokens += answer?.responseIds.length ?? 0;
  }

  retried(reason: string): void {
    this.retries[reason] = (this.retries[reason] ?? 0) + 1;
  }

  ended({ status, reason }: ConversationEnd): void {
    this.done += 1;
    this.answeredDialogues += 1;
    if (status === "done" || reason === undefined) return;
    const name = status === "partial" ? `partial: ${reason}` : reason;
    this.failures[name] = (this.failures[name] ?? 0) + 1;
  }

  private sample(): Sample {
    const { answeredDialogues: dialogues, turns, promptTokens, outputTokens } = this;
    const now: Sample = { at: Date.now(), dialogues, turns, promptTokens, outputTokens };
    this.samples.push(now);
    while (this.samples.length > 2 && now.at - this.samples[0]!.at > WINDOW_MS) this.samples.shift();
    return now;
  }

  private emit(): void {
    const now = this.sample();
    const first = this.samples[0]!;
    const seconds = Math.max((now.at - first.at) / 1000, 0.001);
    const perSecond = (name: keyof Sample): number => Math.round(((now[name] - first[name]) / seconds) * 10) / 10;
    this.events.emit({
      type: "step-progress",
      step: this.step,
      done: this.done,
      ...(this.total === undefined ? {} : { total: this.total }),
      unit: "dialogues",
      rates: {
        "dialogues/s": perSecond("dialogues"),
        "turns/s": perSecond("turns"),
        "prompt tokens/s": perSecond("promptTokens"),
        "output tokens/s": perSecond("outputTokens"),
        "in flight": this.inFlight,
      },
      failures: { ...this.failures },
      note: this.note(),
    });
  }

  /** Servers, then what was asked again and why. */
  private note(): string {
    const servers = this.members().map(({ name, state, seats }) => {
      const short = name.replace(/^https?:\/\//, "");
      return state === "up" ? `${short} ${seats}` : `${short} ${state}`;
    });
    const retries = Object.entries(this.retries).map(([reason, count]) => `${reason} ${count}`);
    const parts = [this.phase, servers.join(", "), retries.length === 0 ? "" : `asked again: ${retries.join(", ")}`];
    return parts.filter((part) => part !== "").join("; ");
  }
}
