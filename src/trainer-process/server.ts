/** Starts the reference target server and knows when it is ready and how to stop it. */
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { DraftsmithError } from "../base/index.js";
import type { EventSink } from "../events/index.js";
import { describeEnd, lastLines, stopChild, trainerEnvironment } from "./child.js";
import { ensurePython } from "./environment.js";
import { parseJobEvent, trainerError } from "./job-events.js";

export interface ServerRequest {
  /** Model directory of the target. */
  model: string;
  /** Draft directory, for speculative decoding. */
  draft?: string | undefined;
  servedModelName?: string | undefined;
  /** 0 takes a free port. */
  port?: number | undefined;
  maxBatch?: number | undefined;
  threads?: number | undefined;
  /** Takes the reasoning out of an answer's text, as SGLang's flag of this name. */
  reasoningParser?: "qwen3" | undefined;
  /** Layers whose outputs /generate returns for prompts on request. */
  hiddenStates?: readonly number[] | undefined;
  /** Number format in torch's words; left out, float32. */
  dtype?: string | undefined;
  /** File that receives what the server logs. */
  log?: string | undefined;
  python?: string | undefined;
  events?: EventSink;
  signal?: AbortSignal;
  /** Milliseconds until a server that is not ready counts as failed. */
  startTimeoutMs?: number;
}

export interface RunningServer {
  /** Such as `http://127.0.0.1:40123`; always loopback. */
  url: string;
  pid: number;
  /** Rejects when the server dies on its own. */
  died: Promise<never>;
  stop(): Promise<void>;
}

/** Loading torch from a cold disk has taken over a minute. */
const START_TIMEOUT_MS = 240_000;

export async function startServer(request: ServerRequest): Promise<RunningServer> {
  const { executable } = await ensurePython(request);
  const child = spawn(executable, argumentsOf(request), {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...trainerEnvironment(), DRAFTSMITH_PARENT_ON_STDIN: "1" },
  });
  let tail = "";
  const log = request.log === undefined ? undefined : createWriteStream(request.log, { flags: "a" });
  child.stderr.setEncoding("utf8");
  child.stderr.on("data", (text: string) => {
    tail = (tail + text).slice(-16_384);
    log?.write(text);
  });
  child.once("close", () => log?.end());
  const output = listen(child.stdout);

  // An end that was asked for is no death.
  let stopping = false;
  const died = new Promise<never>((_resolve, reject) => {
    child.once("error", (cause) => reject(failure(`could not be started: ${cause.message}`, "", request)));
    child.once("exit", (code, signal) => {
      if (stopping) return;
      // Its last lines may still be in the pipe, and the reason among them.
      void Promise.race([output.closed, delay(2000, undefined, { ref: false })]).then(() =>
        reject(output.error() ?? failure(describeEnd(code, signal), tail, request)),
      );
    });
  });
  // Whoever waits gets the rejection; when nobody does, stopping on purpose must not count as unhandled.
  died.catch(() => undefined);

  const url = await ready(child, output, died, request, () => tail);
  const stop = (): Promise<void> => {
    stopping = true;
    return stopChild(child, 10_000);
  };
  return { url, pid: child.pid ?? -1, died, stop };
}

function argumentsOf(request: ServerRequest): string[] {
  const flags: [string, string | number | undefined][] = [
    ["--model", request.model],
    ["--draft", request.draft],
    ["--served-model-name", request.servedModelName],
    ["--host", "127.0.0.1"],
    ["--port", request.port ?? 0],
    ["--max-batch", request.maxBatch],
    ["--threads", request.threads],
    ["--reasoning-parser", request.reasoningParser],
    ["--dtype", request.dtype],
  ];
  const given = flags.filter((flag): flag is [string, string | number] => flag[1] !== undefined);
  const states = request.hiddenStates === undefined ? [] : ["--hidden-states", ...request.hiddenStates.map(String)];
  return ["-m", "draftsmith_trainer", "serve", ...given.flatMap(([name, value]) => [name, String(value)]), ...states];
}

async function ready(
  child: ChildProcess,
  output: Output,
  died: Promise<never>,
  request: ServerRequest,
  tail: () => string,
): Promise<string> {
  const limit = request.startTimeoutMs ?? START_TIMEOUT_MS;
  let timer: NodeJS.Timeout | undefined;
  let abort: (() => void) | undefined;
  try {
    return await Promise.race([
      died,
      output.url,
      new Promise<never>((_resolve, reject) => {
        timer = setTimeout(() => reject(failure(`was not ready after ${limit / 1000} s`, tail(), request)), limit);
      }),
      new Promise<never>((_resolve, reject) => {
        abort = () => reject(new DraftsmithError("INTERRUPTED", "stopped while a server was starting"));
        if (request.signal?.aborted === true) abort();
        else request.signal?.addEventListener("abort", abort, { once: true });
      }),
    ]);
  } catch (error) {
    await stopChild(child, 3000);
    throw error;
  } finally {
    clearTimeout(timer);
    if (abort !== undefined) request.signal?.removeEventListener("abort", abort);
  }
}

interface Output {
  /** Resolves with the address once the server is ready. */
  url: Promise<string>;
  /** Why the server said it could not start. */
  error(): DraftsmithError | undefined;
  closed: Promise<void>;
}

/** Goes on reading after the ready line, so that the pipe never fills. */
function listen(stdout: Readable): Output {
  let said: DraftsmithError | undefined;
  const lines = createInterface({ input: stdout });
  const closed = new Promise<void>((resolve) => lines.once("close", resolve));
  const url = new Promise<string>((resolve) => {
    lines.on("line", (line) => {
      const event = parseJobEvent(line);
      if (event?.type === "ready") resolve(event.url);
      if (event?.type === "error") said = trainerError(event);
    });
  });
  return { url, error: () => said, closed };
}

function failure(what: string, tail: string, request: ServerRequest): DraftsmithError {
  return new DraftsmithError("SERVICE_FAILED", `the reference server for ${request.model} ${what}`, {
    ...(tail === "" ? {} : { frame: lastLines(tail, 15) }),
    hint: request.log === undefined ? "run `draftsmith doctor`" : `its log is ${request.log}`,
  });
}
