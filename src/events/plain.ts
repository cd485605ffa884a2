/** Lines for logs and pipes: no cursor codes, and progress only every few seconds. */
import type { DraftsmithEvent, EventSink } from "./event.js";
import { describeEvent, describeMetric } from "./lines.js";
import { describeParts, stateOfParts } from "./parts.js";
import { describeProgress, ProgressMeter } from "./progress.js";
import { RunTable } from "./table.js";

/** Shortest time between two lines of progress and metrics of a step. */
const EVERY_MS = 10_000;
/** Shortest time between two lines about a step's parts (servers), unless one of them changes its state. */
const PARTS_EVERY_MS = 60_000;

export class PlainReporter implements EventSink {
  private readonly write: (text: string) => void;
  private readonly now: () => number;
  private readonly table = new RunTable();
  private readonly meters = new Map<string, ProgressMeter>();
  private readonly last = new Map<string, number>();
  /** States of each step's parts when they were last printed. */
  private readonly states = new Map<string, string>();

  constructor(write: (text: string) => void, now: () => number = Date.now) {
    this.write = write;
    this.now = now;
  }

  emit(event: DraftsmithEvent): void {
    this.table.emit(event);
    if (event.type === "step-started") this.last.set(`step-progress ${event.step}`, this.now());
    if (event.type === "step-progress") {
      const meter = this.meters.get(event.step) ?? new ProgressMeter(this.now);
      this.meters.set(event.step, meter);
      meter.add(event);
      if (this.due(event)) this.write(`${event.step}: ${describeProgress(event, meter)}\n`);
      this.parts(event);
      return;
    }
    if (event.type === "step-metric") {
      if (this.due(event)) this.write(`${event.step}: ${describeMetric(event)}\n`);
      return;
    }
    const line = describeEvent(event);
    if (line !== undefined) this.write(`${line.text}\n`);
    if (event.type === "run-finished") for (const row of ["", ...this.table.lines(), ""]) this.write(`${row}\n`);
  }

  private parts({ step, parts = [] }: Extract<DraftsmithEvent, { type: "step-progress" }>): void {
    if (parts.length === 0) return;
    const states = stateOfParts(parts);
    const changed = this.states.get(step) !== states;
    if (!this.due({ type: "parts", step }, changed ? 0 : PARTS_EVERY_MS)) return;
    this.states.set(step, states);
    this.write(`${step}: ${describeParts(parts)}\n`);
  }

  private due(event: { type: string; step: string }, everyMs = EVERY_MS): boolean {
    const key = `${event.type} ${event.step}`;
    const now = this.now();
    if (now - (this.last.get(key) ?? Number.NEGATIVE_INFINITY) < everyMs) return false;
    this.last.set(key, now);
    return true;
  }
}
