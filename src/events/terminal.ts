/** Live output on a terminal: lines that stay, and under them one that is redrawn in place. */
import { styleText } from "node:util";
import type { DraftsmithEvent, EventSink } from "./event.js";
import { describeEvent, describeMetric, type Tone } from "./lines.js";
import { describeProgress, ProgressMeter } from "./progress.js";
import { RunTable } from "./table.js";

const REDRAW_MS = 100;
const CLEAR_LINE = "\r\x1b[2K";

/** The part of a TTY stream that is needed; tests bring a recording one. */
export interface TerminalStream {
  write(text: string): unknown;
  columns?: number;
}

export interface TerminalOptions {
  color?: boolean;
  now?: () => number;
}

export class TerminalReporter implements EventSink {
  readonly #stream: TerminalStream;
  readonly #color: boolean;
  readonly #now: () => number;
  readonly #table = new RunTable();
  readonly #meters = new Map<string, ProgressMeter>();
  #live = "";
  #metric = "";
  #drawnAt = 0;

  constructor(stream: TerminalStream, { color = true, now = Date.now }: TerminalOptions = {}) {
    this.#stream = stream;
    this.#color = color;
    this.#now = now;
  }

  emit(event: DraftsmithEvent): void {
    this.#table.emit(event);
    if (event.type === "step-progress") {
      const meter = this.#meters.get(event.step) ?? new ProgressMeter(this.#now);
      this.#meters.set(event.step, meter);
      meter.add(event);
      this.#draw(`${event.step}: ${describeProgress(event, meter)}${this.#metric}`);
      return;
    }
    if (event.type === "step-metric") {
      this.#metric = ` | ${describeMetric(event)}`;
      return;
    }
    if (event.type === "step-started" || event.type === "step-finished" || event.type === "step-failed") {
      this.#live = "";
      this.#metric = "";
    }
    const line = describeEvent(event);
    if (line !== undefined) this.#print(this.#paint(line.tone, line.text));
    if (event.type === "run-finished") for (const row of ["", ...this.#table.lines(), ""]) this.#print(row);
  }

  /** Removes the live line, for whatever is printed next by others. */
  close(): void {
    if (this.#live !== "") this.#stream.write(CLEAR_LINE);
    this.#live = "";
  }

  #print(text: string): void {
    this.#stream.write(`${CLEAR_LINE}${text}\n${this.#live}`);
  }

  #draw(said: string): void {
    const text = said.replaceAll(/\s+/g, " ");
    const now = this.#now();
    const fits = (this.#stream.columns ?? 80) - 1;
    this.#live = text.length > fits ? `${text.slice(0, fits - 1)}…` : text;
    if (now - this.#drawnAt < REDRAW_MS) return;
    this.#drawnAt = now;
    this.#stream.write(`${CLEAR_LINE}${this.#live}`);
  }

  #paint(tone: Tone, text: string): string {
    if (!this.#color || tone === "plain") return text;
    const style = ({ good: "green", bad: "red", quiet: "gray", warn: "yellow" } as const)[tone];
    return styleText(style, text, { validateStream: false });
  }
}
