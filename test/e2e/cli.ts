/** Runs the real command line in a child process, from source, and reads its events. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { DraftsmithEvent } from "../../src/events/index.js";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

export interface Finished {
  /** null: ended by a signal. */
  code: number | null;
  events: DraftsmithEvent[];
  /** Lines that are no events. */
  stdout: string;
  stderr: string;
  seconds: number;
}

export interface Running {
  finished: Promise<Finished>;
  /** Kills the command itself with SIGKILL, nothing else: what it started must notice on its own. */
  kill(signal: NodeJS.Signals): void;
}

/** @param watch - sees every event as it comes. */
export function start(args: string[], watch?: (event: DraftsmithEvent) => void): Running {
  const started = Date.now();
  const child: ChildProcessByStdio<null, Readable, Readable> = spawn(
    process.execPath,
    ["--import", "tsx", "src/cli/main.ts", ...args],
    { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] },
  );
  const events: DraftsmithEvent[] = [];
  let stdout = "";
  let stderr = "";
  child.stderr.setEncoding("utf8");
  child.stderr.on("data", (text: string) => {
    stderr += text;
  });
  createInterface({ input: child.stdout }).on("line", (line) => {
    if (!line.startsWith("{")) {
      stdout += `${line}\n`;
      return;
    }
    const event = JSON.parse(line) as DraftsmithEvent;
    events.push(event);
    watch?.(event);
  });
  const finished = new Promise<Finished>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, events, stdout, stderr, seconds: (Date.now() - started) / 1000 }));
  });
  return { finished, kill: (signal) => void child.kill(signal) };
}

export function run(args: string[]): Promise<Finished> {
  return start(args).finished;
}

/** Runs until an event answers to `when`, then kills with -9. Fails loudly when that event never comes. */
export async function runAndKill(args: string[], when: (event: DraftsmithEvent) => boolean): Promise<Finished> {
  let killed = false;
  const running = start(args, (event) => {
    if (killed || !when(event)) return;
    killed = true;
    running.kill("SIGKILL");
  });
  const finished = await running.finished;
  if (!killed) throw new Error(`the moment to kill never came:\n${finished.stderr}`);
  return finished;
}
