/** The worker thread of `long-texts.ts`: takes a text, returns its ids. */
import { workerData } from "node:worker_threads";
import { serveWorkerPool } from "../base/index.js";
import { createTokenizer } from "./tokenizer.js";

const tokenizer = createTokenizer(workerData as string);

serveWorkerPool<string, Int32Array<ArrayBuffer>>(async (text) => {
  // Copied into a buffer of its own: transferring a view would move the whole buffer behind it.
  const result = new Int32Array(await tokenizer.encode(text));
  return { result, moved: [result.buffer] };
});
