/** Lines for logs and pipes: no cursor codes, and progress only now and then. */
import type { DraftsmithEvent, EventSink } from "./event.js";
import { describeEvent, describeMetric } from "./lines.js";
import { describeProgress, ProgressMeter } from "./progress.js";
import { RunTable } from "./table.js";

/** Progress and metrics of a step get one line in this time. */
const EVERY_MS = 10_000;

export class PlainReporter implements EventSink {
  readonly #write: (text: string) => void;
  readonly #now: () => number;
  readonly #table = new RunTable();
  readonly #meters = new Map<string, ProgressMeter>();
  readonly #last = new Map<string, number>();

  constructor(write: (text: string) => void, now: () => number = Date.now) {
    this.#write = write;
    this.#now = now;
  }

  emit(event: DraftsmithEvent): void {
    this.#table.emit(event);
    if (event.type === "step-started") this.#last.set(`step-progress ${event.step}`, this.#now());
    if (event.type === "step-progress") {
      const meter = this.#meters.get(event.step) ?? new ProgressMeter(this.#now);
      this.#meters.set(event.step, meter);
      meter.add(event);
      if (this.#due(event)) this.#write(`${event.step}: ${describeProgress(event, meter)}\n`);
      return;
    }
    if (event.type === "step-metric") {
      if (this.#due(event)) this.#write(`${event.step}: ${describeMetric(event)}\n`);
      return;
    }
    const line = describeEvent(event);
    if (line !== undefined) this.#write(`${line.text}\n`);
    if (event.type === "run-finished") for (const row of ["", ...this.#table.lines(), ""]) this.#write(`${row}\n`);
  }

  #due(event: { type: string; step: string }): boolean {
    const key = `${event.type} ${event.step}`;
    const now = this.#now();
    if (now - (this.#last.get(key) ?? Number.NEGATIVE_INFINITY) < EVERY_MS) return false;
    this.#last.set(key, now);
    return true;
  }
}
