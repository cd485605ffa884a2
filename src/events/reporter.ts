/** Chooses how events are shown: redrawn lines on a terminal, plain lines elsewhere, JSON for machines. */
import type { EventSink } from "./event.js";
import { PlainReporter } from "./plain.js";
import { JsonLines } from "./sinks.js";
import { TerminalReporter, type TerminalStream } from "./terminal.js";

export interface ReporterOptions {
  json: boolean;
  stream: TerminalStream & { readonly isTTY?: boolean };
  environment?: NodeJS.ProcessEnv;
}

export type Reporter = EventSink & { close(): void };

export function makeReporter({ json, stream, environment = process.env }: ReporterOptions): Reporter {
  const write = (text: string): void => {
    stream.write(text);
  };
  if (json) return closable(new JsonLines(write));
  if (stream.isTTY !== true || environment.TERM === "dumb") return closable(new PlainReporter(write));
  return new TerminalReporter(stream, { color: environment.NO_COLOR === undefined || environment.NO_COLOR === "" });
}

function closable(sink: EventSink): Reporter {
  return { emit: (event) => sink.emit(event), close: () => undefined };
}
