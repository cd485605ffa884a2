/**
 * Texts too long for the main thread. One text cannot be taken in slices (where it may be cut is the tokenizer's own secret),
 * and cutting a million characters at added tokens and copying their ids would hold the event loop for up to 0.4 s. So they
 * are encoded whole on a thread with a tokenizer of its own, which starts with the first such text and ends after the last.
 */
import { moduleBeside, WorkerPool } from "../base/index.js";

/** Of one text in UTF-8. Chats hardly ever reach it. */
export const LONG_BYTES = 1 << 16;
/** A real tokenizer takes some hundred MB and half a second to load. */
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
