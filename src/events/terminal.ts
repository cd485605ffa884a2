/** Live output on a terminal: lines that scroll, and below them a few that are redrawn in place. */
import { styleText } from "node:util";
import type { DraftsmithEvent, EventSink } from "./event.js";
import { describeEvent, describeMetric, type Tone } from "./lines.js";
import { partLines } from "./parts.js";
import { describeProgress, ProgressMeter } from "./progress.js";
import { RunTable } from "./table.js";

const REDRAW_MS = 100;
const CLEAR_LINE = "\r\x1b[2K";
/** Clears from the first live line to the end of the screen. */
const CLEAR_BELOW = "\x1b[J";
/** Screen lines that the table of parts leaves to earlier output. */
const KEPT_LINES = 8;

/** The part of a TTY stream that is used; tests pass one that records. */
export interface TerminalStream {
  write(text: string): unknown;
  columns?: number;
  rows?: number;
}

export interface TerminalOptions {
  color?: boolean;
  now?: () => number;
}

export class TerminalReporter implements EventSink {
  private readonly stream: TerminalStream;
  private readonly color: boolean;
  private readonly now: () => number;
  private readonly table = new RunTable();
  private readonly meters = new Map<string, ProgressMeter>();
  private live: string[] = [];
  /** The live lines that are on the screen now. */
  private drawn: string[] = [];
  private metric = "";
  private drawnAt = 0;

  constructor(stream: TerminalStream, { color = true, now = Date.now }: TerminalOptions = {}) {
    this.stream = stream;
    this.color = color;
    this.now = now;
  }

  emit(event: DraftsmithEvent): void {
    this.table.emit(event);
    if (event.type === "step-progress") {
      const meter = this.meters.get(event.step) ?? new ProgressMeter(this.now);
      this.meters.set(event.step, meter);
      meter.add(event);
      const room = Math.max(1, (this.stream.rows ?? 24) - KEPT_LINES);
      this.draw([
        `${event.step}: ${describeProgress(event, meter)}${this.metric}`.replaceAll(/\s+/g, " "),
        ...partLines(event.parts ?? [], this.fits, room),
      ]);
      return;
    }
    if (event.type === "step-metric") {
      this.metric = ` | ${describeMetric(event)}`;
      return;
    }
    if (event.type === "step-started" || event.type === "step-finished" || event.type === "step-failed") {
      this.live = [];
      this.metric = "";
    }
    const line = describeEvent(event);
    if (line !== undefined) this.print(this.paint(line.tone, line.text));
    if (event.type === "run-finished") for (const row of ["", ...this.table.lines(), ""]) this.print(row);
  }

  /** Erases the live lines before somebody else prints. */
  close(): void {
    if (this.drawn.length > 0) this.stream.write(this.clear());
    this.live = [];
    this.drawn = [];
  }

  private print(text: string): void {
    this.stream.write(`${this.clear()}${text}\n${this.live.join("\n")}`);
    this.drawn = this.live;
  }

  private draw(lines: readonly string[]): void {
    const now = this.now();
    this.live = lines.map((line) => cut(line, this.fits));
    if (now - this.drawnAt < REDRAW_MS) return;
    this.drawnAt = now;
    this.stream.write(`${this.clear()}${this.live.join("\n")}`);
    this.drawn = this.live;
  }

  private get fits(): number {
    return (this.stream.columns ?? 80) - 1;
  }

  /** Moves to the first live line. In a window that became narrower, the lines have wrapped and take more rows. */
  private clear(): string {
    const columns = this.stream.columns ?? 80;
    const height = this.drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / columns)), 0);
    return height <= 1 ? CLEAR_LINE : `\r\x1b[${height - 1}A${CLEAR_BELOW}`;
  }

  private paint(tone: Tone, text: string): string {
    if (!this.color || tone === "plain") return text;
    const style = ({ good: "green", bad: "red", quiet: "gray", warn: "yellow" } as const)[tone];
    return styleText(style, text, { validateStream: false });
  }
}

function cut(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, Math.max(0, width - 1))}…` : text;
}
