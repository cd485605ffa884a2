/** Turns progress events into a rate, the time left and one line of text. */
import type { ReasonCounts, StepProgress } from "./event.js";
import { formatNumber, formatReasons, formatSeconds, sumReasons } from "./format.js";

/** Window over which rates are measured, short enough to follow a server that slows down. */
const WINDOW_MS = 30_000;

interface Sample {
  at: number;
  done: number;
}

/**
 * Measures one step. The first event only sets the baseline: rows that an earlier run finished do not count as speed.
 */
export class ProgressMeter {
  private readonly now: () => number;
  private samples: Sample[] = [];
  private unit = "";

  constructor(now: () => number = Date.now) {
    this.now = now;
  }

  add(event: StepProgress): void {
    const at = this.now();
    // The count may restart within a step (a second pass, or an evaluation of rows between steps), and the rate with it.
    if (event.unit !== this.unit || event.done < (this.samples.at(-1)?.done ?? 0)) this.samples = [];
    this.unit = event.unit;
    this.samples.push({ at, done: event.done });
    while (this.samples.length > 2 && at - this.samples[1]!.at >= WINDOW_MS) this.samples.shift();
  }

  /** Units per second; undefined until there is something to measure. */
  rate(): number | undefined {
    const first = this.samples[0];
    const last = this.samples.at(-1);
    if (first === undefined || last === undefined || last.at <= first.at || last.done <= first.done) return undefined;
    return ((last.done - first.done) * 1000) / (last.at - first.at);
  }

  /** Seconds until `done` reaches `total`: the step's own estimate, else computed from the rate. */
  remaining(event: StepProgress): number | undefined {
    if (event.secondsLeft !== undefined) return event.secondsLeft;
    const rate = this.rate();
    if (rate === undefined || event.total === undefined) return undefined;
    return Math.max(0, event.total - event.done) / rate;
  }
}

/** `120/1,000 dialogues 12 %, 14.2/s, 1 min 02 s left, tokens/s 812, 3 failed (timeout 3), 2 rejected (loop 2), note`. */
export function describeProgress(event: StepProgress, meter: ProgressMeter): string {
  const { done, total, unit, rates = {}, note } = event;
  // Work that cannot count what it has done counts the seconds that it takes.
  const rate = unit === "s" ? undefined : meter.rate();
  const left = meter.remaining(event);
  const share = total === undefined || total === 0 ? "" : ` ${Math.floor((done / total) * 100)} %`;
  return [
    `${formatNumber(done)}${total === undefined ? "" : `/${formatNumber(total)}`} ${unit}${share}`,
    ...(rate === undefined ? [] : [`${formatNumber(rate)}/s`]),
    ...(left === undefined ? [] : [`${formatSeconds(left)} left`]),
    ...Object.entries(rates).map(([name, value]) => `${name} ${formatNumber(value)}`),
    ...reasonsText("failed", event.failures),
    ...reasonsText("rejected", event.rejected),
    ...reasonsText("ended early", event.partial),
    ...(note === undefined || note === "" ? [] : [note]),
  ].join(", ");
}

function reasonsText(word: string, counts: ReasonCounts = {}): string[] {
  const sum = sumReasons(counts);
  return sum === 0 ? [] : [`${formatNumber(sum)} ${word} (${formatReasons(counts)})`];
}
