/** Starts one trainer job, turns its event stream into the toolkit's events, and its failures into errors. */
import { spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { DraftsmithError, isJsonObject, type JsonObject } from "../base/index.js";
import type { EventSink } from "../events/index.js";
import { describeEnd, lastLines, STOP_SIGNALS, stopChild, trainerEnvironment } from "./child.js";
import { ensurePython } from "./environment.js";
import { type JobEvent, parseJobEvent, trainerError } from "./job-events.js";

export interface JobRequest {
  /** Sub-command of the trainer: train, evaluate, export, demo-data ... */
  job: string;
  /** Written as JSON to `configFile` and handed over by `--config`. */
  config?: JsonObject;
  configFile?: string;
  /** Arguments of jobs that take no config file. */
  args?: string[];
  /** Name of the step, for events. */
  step: string;
  events: EventSink;
  signal: AbortSignal;
  /** Processes of this machine under torchrun; 0 starts the job directly. */
  processes?: number;
  /** Machines that run the job together, and where they meet. Only machine 0 gets events and a result. */
  nodes?: { count: number; rank: number; host: string; port: number };
  python?: string | undefined;
  /** How long the job may take to save and stop before it is killed. */
  graceMs?: number;
}

/** Exit code of a job that was asked to stop, by us or by others, and has saved what it had. */
const STOPPED = 130;

/** Bytes of standard error that are kept for the message of a crash. */
const KEPT_STDERR = 64 * 1024;

/** Runs the job to its end. Resolves with the members of its `result` event. */
export async function runJob(request: JobRequest): Promise<JsonObject> {
  const { executable } = await ensurePython({
    python: request.python,
    events: request.events,
    signal: request.signal,
  });
  const child = spawn(executable, await commandLine(request), {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...trainerEnvironment(), DRAFTSMITH_PARENT_ON_STDIN: "1" },
  });
  let stderr = "";
  child.stderr.setEncoding("utf8");
  child.stderr.on("data", (text: string) => {
    stderr = (stderr + text).slice(-KEPT_STDERR);
  });

  const abort = (): void => void stopChild(child, request.graceMs);
  request.signal.addEventListener("abort", abort, { once: true });
  if (request.signal.aborted) abort();

  const outcome: { result?: JsonObject; error?: DraftsmithError } = {};
  const closed = new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (...end) => resolve(end));
  });
  closed.catch(() => undefined);
  for await (const line of createInterface({ input: child.stdout, crlfDelay: Number.POSITIVE_INFINITY })) {
    if (line.trim() === "") continue;
    const event = parseJobEvent(line);
    if (event === null) {
      const message = `the trainer wrote a line that is no event: ${line.slice(0, 200)}`;
      request.events.emit({ type: "log", level: "warn", step: request.step, message });
    } else {
      take(event, request, outcome);
    }
  }
  const [code, killer] = await closed;
  request.signal.removeEventListener("abort", abort);

  if (request.signal.aborted || code === STOPPED || (killer !== null && STOP_SIGNALS.includes(killer))) {
    throw new DraftsmithError("INTERRUPTED", `${request.job} was stopped`, { hint: "the same command continues it" });
  }
  if (outcome.error !== undefined) throw outcome.error;
  if (code !== 0) {
    const tail = lastLines(stderr, 25);
    throw new DraftsmithError("TRAINER_FAILED", `the trainer's ${request.job} job ${describeEnd(code, killer)}`, {
      ...(tail === "" ? {} : { frame: tail }),
      hint:
        killer === null
          ? "this looks like a bug; the frame above is the end of its standard error"
          : "the same command continues from what was saved",
    });
  }
  return outcome.result ?? {};
}

async function commandLine(request: JobRequest): Promise<string[]> {
  const command = [...launcherOf(request), "-m", "draftsmith_trainer", request.job, ...(request.args ?? [])];
  if (request.config === undefined || request.configFile === undefined) return command;
  await mkdir(dirname(request.configFile), { recursive: true });
  await writeFile(request.configFile, `${JSON.stringify(request.config, null, 2)}\n`);
  return [...command, "--config", request.configFile];
}

/**
 * How Python is told to start the job's processes, with torchrun's own arguments. Machine k gets the ranks k * processes and on: 0 holds rank 0.
 * Without a directory for logs torchrun leaves one in the system's temporary directory.
 */
export function launcherOf({
  processes = 0,
  nodes,
  configFile = "job.json",
}: Pick<JobRequest, "processes" | "nodes" | "configFile">): string[] {
  if (processes === 0) return [];
  const meeting =
    nodes === undefined
      ? ["--standalone"]
      : [
          ...["--nnodes", String(nodes.count), "--node-rank", String(nodes.rank)],
          ...["--master-addr", nodes.host, "--master-port", String(nodes.port)],
        ];
  const logs = ["--log-dir", join(dirname(configFile), "torchrun")];
  return ["-m", "draftsmith_trainer.parallel.launch", ...meeting, ...logs, "--nproc-per-node", String(processes)];
}

function take(event: JobEvent, request: JobRequest, outcome: { result?: JsonObject; error?: DraftsmithError }): void {
  const { step, events } = request;
  switch (event.type) {
    case "progress":
      events.emit({
        type: "step-progress",
        step,
        done: event.done,
        unit: event.unit,
        ...(event.total == null ? {} : { total: event.total }),
        ...(event.rates == null ? {} : { rates: event.rates }),
        ...(event.note == null ? {} : { note: event.note }),
      });
      break;
    case "metric": {
      const entries = Object.entries(event.values).filter((entry): entry is [string, number] => entry[1] !== null);
      events.emit({ type: "step-metric", step, at: event.step, values: Object.fromEntries(entries) });
      break;
    }
    case "log":
      events.emit({ type: "log", level: event.level, step, message: event.message });
      break;
    case "result":
      outcome.result = isJsonObject(event) ? event : {};
      break;
    case "error":
      // A rank that misses another one may speak after the one that knows why.
      if (outcome.error === undefined || event.reason !== "rank-lost") outcome.error = trainerError(event);
      break;
    case "ready":
      break;
  }
}
