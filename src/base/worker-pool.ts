/** Worker threads that process tasks in parallel; `worker-thread.ts` is the threads' side. */

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { defined } from "./defined.js";
import { DraftsmithError, type ErrorCode, type ErrorDetails } from "./errors.js";

/** A thread's answer to one task. */
export type WorkerAnswer<Result> =
  | { result: Result }
  | { error: { code: ErrorCode; message: string; details: ErrorDetails } }
  | { bug: string };

/** Tasks queued at each thread, so that it never idles while its last result is collected. */
const PIECES_AT_A_THREAD = 2;

interface Waiting<Result> {
  resolve(result: Result): void;
  reject(error: unknown): void;
}

export class WorkerPool<Piece, Result> {
  private readonly threads: { worker: Worker; waiting: Waiting<Result>[] }[];
  private failure: unknown;

  /**
   * @param module - URL of the threads' module; it answers every message with one WorkerAnswer, in order
   * @param size - threads
   */
  constructor(module: URL, workerData: unknown, size: number) {
    this.threads = Array.from({ length: size }, () => {
      const worker = threadOf(module, workerData);
      const waiting: Waiting<Result>[] = [];
      // A thread without work must not keep the process alive.
      worker.unref();
      worker.on("message", (answer: WorkerAnswer<Result>) => {
        settle(waiting.shift()!, answer);
        if (waiting.length === 0) worker.unref();
      });
      worker.on("error", (error) => this.fail(error));
      worker.on("exit", (code) => this.fail(new Error(`a worker thread ended with code ${code}`)));
      return { worker, waiting };
    });
  }

  /** Results in task order; never more tasks in flight than the threads' queues hold. */
  async *map(pieces: AsyncIterable<Piece>): AsyncGenerator<Result> {
    const underWay: Promise<Result>[] = [];
    for await (const piece of pieces) {
      underWay.push(this.ask(piece));
      if (underWay.length >= this.threads.length * PIECES_AT_A_THREAD) yield await underWay.shift()!;
    }
    while (underWay.length > 0) yield await underWay.shift()!;
  }

  async close(): Promise<void> {
    this.failure ??= new Error("the worker threads were closed");
    await Promise.all(this.threads.map(({ worker }) => worker.terminate()));
  }

  /** Runs one task regardless of order, on the least busy thread. */
  ask(piece: Piece): Promise<Result> {
    const least = this.threads.reduce((best, thread) => (thread.waiting.length < best.waiting.length ? thread : best));
    const answer = new Promise<Result>((resolve, reject) => {
      if (this.failure !== undefined) {
        reject(this.failure);
        return;
      }
      least.waiting.push({ resolve, reject });
      least.worker.ref();
      least.worker.postMessage(piece);
    });
    // Awaited when its turn comes; until then a rejection must not count as unhandled.
    answer.catch(() => undefined);
    return answer;
  }

  private fail(error: unknown): void {
    this.failure ??= error;
    for (const { waiting } of this.threads) for (const one of waiting.splice(0)) one.reject(this.failure);
  }
}

function settle<Result>(waiting: Waiting<Result>, answer: WorkerAnswer<Result>): void {
  if ("result" in answer) waiting.resolve(answer.result);
  else if ("bug" in answer) waiting.reject(new Error(answer.bug));
  else waiting.reject(new DraftsmithError(answer.error.code, answer.error.message, answer.error.details));
}

/** The threads' module beside `url`, compiled or as source, whichever is running. */
export function moduleBeside(url: string, name: string): URL {
  return new URL(`./${name}${url.endsWith(".ts") ? ".ts" : ".js"}`, url);
}

/** An error in a form that can be posted to the main thread and thrown there. */
export function errorAnswer(error: unknown): WorkerAnswer<never> {
  if (!(error instanceof DraftsmithError))
    return { bug: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  const { code, message, hint, location, frame } = error;
  const details = {
    ...defined({ hint, location, frame }),
  };
  return { error: { code, message, details } };
}

/** Node runs compiled modules as they are; sources (in development and in tests) need tsx, which a thread must register itself. */
function threadOf(module: URL, workerData: unknown): Worker {
  if (!module.pathname.endsWith(".ts")) return new Worker(module, { workerData });
  // The package offers each of its modules in both forms; its CommonJS one cannot register.
  const path = createRequire(import.meta.url)
    .resolve("tsx/esm/api")
    .replace(/\.cjs$/, ".mjs");
  const tsx = pathToFileURL(path).href;
  const code = `import(${JSON.stringify(tsx)}).then((tsx) => {
    tsx.register();
    return import(${JSON.stringify(module.href)});
  });`;
  return new Worker(code, { eval: true, workerData });
}
