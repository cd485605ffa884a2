/** Child processes of the Python side: their environment, how they end, and what is kept of what they said. */
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { DraftsmithError } from "../base/index.js";
import { trainerRoot } from "./paths.js";

/** How long a child may take to save its state after SIGTERM before it is killed. */
const GRACE_MS = 30_000;

/**
 * The environment of every trainer process. Passive waiting matters on shared cores: OpenMP's default spin-wait made a
 * training step 2 to 5 times slower beside one busy process. Nothing may reach for a model hub.
 */
export function trainerEnvironment(base: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return {
    ...base,
    PYTHONPATH: trainerRoot(),
    PYTHONUNBUFFERED: "1",
    PYTHONDONTWRITEBYTECODE: "1",
    OMP_WAIT_POLICY: base.OMP_WAIT_POLICY ?? "PASSIVE",
    HF_HUB_OFFLINE: "1",
    TRANSFORMERS_OFFLINE: "1",
    TOKENIZERS_PARALLELISM: "false",
  };
}

/** SIGTERM, then SIGKILL after the grace period. Resolves when the child is gone. */
export async function stopChild(child: ChildProcess, graceMs = GRACE_MS): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGTERM");
  // Its own processes notice by the end of their standard input that nobody waits for them any more.
  const timer = setTimeout(() => {
    child.stdin?.destroy();
    child.kill("SIGKILL");
  }, graceMs);
  await gone;
  clearTimeout(timer);
}

/** Signals that ask a process to stop, rather than what the system does to one that misbehaves. */
export const STOP_SIGNALS: readonly string[] = ["SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP"];

/** What ended a process, with the usual cause where the system did: `was killed by SIGKILL, most likely by ...`. */
export function describeEnd(code: number | null, signal: NodeJS.Signals | null): string {
  if (signal === null) return `ended with exit code ${code}`;
  const causes: Partial<Record<NodeJS.Signals, string>> = {
    SIGKILL: ", most likely by the out-of-memory killer of the system or of its container",
    SIGBUS: ", most likely because /dev/shm or the disk of a mapped file is full",
  };
  return `was killed by ${signal}${causes[signal] ?? ""}`;
}

/** The end of a text, for error messages. */
export function lastLines(text: string, count: number): string {
  return text.trimEnd().split("\n").slice(-count).join("\n");
}

interface LoggedOptions {
  /** File that receives stdout and stderr. */
  log: string;
  signal?: AbortSignal | undefined;
}

/** Runs a command to its end with its output in a log file; a failure quotes the log's last lines. */
export async function runLogged(command: string, args: string[], options: LoggedOptions): Promise<void> {
  const log = createWriteStream(options.log, { flags: "a" });
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  child.stdout.pipe(log, { end: false });
  child.stderr.pipe(log, { end: false });
  const abort = (): void => void stopChild(child, 3000);
  options.signal?.addEventListener("abort", abort, { once: true });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  options.signal?.removeEventListener("abort", abort);
  await new Promise<void>((resolve) => log.end(resolve));
  if (options.signal?.aborted === true) {
    throw new DraftsmithError("INTERRUPTED", "stopped while the Python environment was being made", {
      hint: "the same command starts it again",
    });
  }
  if (code === 0) return;
  const tail = lastLines(await readFile(options.log, "utf8").catch(() => ""), 12);
  throw new DraftsmithError(
    "PYTHON_MISSING",
    `${command} ${args.slice(0, 3).join(" ")} ... failed with exit code ${code}`,
    {
      location: { file: options.log },
      frame: tail,
      hint: "read the log, or name a Python that has torch and transformers with --python or DRAFTSMITH_PYTHON",
    },
  );
}
