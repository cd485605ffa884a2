/** Sinks that carry events elsewhere: to several sinks at once, or as JSON lines to a stream or file. */
import { closeSync, openSync, writeSync } from "node:fs";
import { defined, fromErrno, hideSecretsIn } from "../base/index.js";
import type { DraftsmithEvent, EventSink } from "./event.js";

/** Shortest time between two progress events of a step in files and JSON output. */
const PROGRESS_MS = 1000;

/** Sends every event to all sinks. */
export function tee(...sinks: readonly EventSink[]): EventSink {
  return {
    emit: (event) => {
      for (const sink of sinks) sink.emit(event);
    },
  };
}

/** Removes credentials before events reach the sink: messages quote addresses and servers' answers. */
export function withoutSecrets(sink: EventSink): EventSink {
  return { emit: (event) => sink.emit(hideSecretsIn(event)) };
}

/** One JSON object per line, with the time in front. Progress is throttled, nothing else. */
export class JsonLines implements EventSink {
  private readonly write: (line: string) => void;
  private readonly last = new Map<string, number>();

  constructor(write: (line: string) => void) {
    this.write = write;
  }

  emit(event: DraftsmithEvent): void {
    const now = Date.now();
    if (event.type === "step-progress") {
      const finished = event.done === event.total;
      if (!finished && now - (this.last.get(event.step) ?? 0) < PROGRESS_MS) return;
      this.last.set(event.step, now);
    }
    this.write(`${JSON.stringify({ time: new Date(now).toISOString(), ...event })}\n`);
  }
}

/** Writes a run's events to a file, unbuffered, so that even a killed run has logged its last event. */
export class EventFile implements EventSink {
  private readonly lines: JsonLines;
  private file: number | undefined;

  /**
   * @param field - the option that named the file
   * @throws DraftsmithError OUTPUT_INVALID, DISK_FULL, DISK_FAILED - the file cannot be opened
   */
  constructor(path: string, field?: string) {
    const file = opened(path, field);
    this.file = file;
    this.lines = new JsonLines((line) => {
      // A full disk must not end a run because of its log; the step's own writes will report it.
      try {
        writeSync(file, line);
      } catch {}
    });
  }

  emit(event: DraftsmithEvent): void {
    if (this.file !== undefined) this.lines.emit(event);
  }

  close(): void {
    if (this.file !== undefined) closeSync(this.file);
    this.file = undefined;
  }
}

function opened(path: string, field: string | undefined): number {
  try {
    return openSync(path, "a");
  } catch (error) {
    throw fromErrno(error, path, { use: "write", ...defined({ field }) });
  }
}
