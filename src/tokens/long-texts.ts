/**
 * Texts too long for the main thread. Only the tokenizer knows where a text can be split safely, and splitting a million
 * characters at added tokens and copying their ids would block the event loop for up to 0.4 s. A worker thread with its own
 * tokenizer encodes them whole; it starts with the first such text and stops after the last.
 */
import { moduleBeside, WorkerPool } from "../base/index.js";

/** Size of one text in UTF-8. Chats rarely reach it. */
export const LONG_BYTES = 1 << 16;
/** A full-size tokenizer takes a few hundred MB and half a second to load, so the thread outlives short pauses. */
const IDLE_MS = 10_000;

/** @param json - contents of a tokenizer.json */
export function longTextEncoder(json: string): (text: string) => Promise<Int32Array> {
  let thread: WorkerPool<string, Int32Array> | undefined;
  let waiting = 0;
  let idle: NodeJS.Timeout | undefined;
  return async (text) => {
    clearTimeout(idle);
    thread ??= new WorkerPool(moduleBeside(import.meta.url, "long-texts-thread"), json, 1);
    waiting += 1;
    try {
      return await thread.ask(text);
    } finally {
      waiting -= 1;
      if (waiting === 0) {
        const ended = thread;
        idle = setTimeout(() => {
          thread = undefined;
          void ended.close();
        }, IDLE_MS).unref();
      }
    }
  };
}
