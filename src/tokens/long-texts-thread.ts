/** The thread of `long-texts.ts`: a text in, its ids out. */
import { workerData } from "node:worker_threads";
import { serveWorkerPool } from "../base/index.js";
import { createTokenizer } from "./tokenizer.js";

const tokenizer = createTokenizer(workerData as string);

serveWorkerPool<string, Int32Array<ArrayBuffer>>(async (text) => {
  // A copy that has its memory for itself: what moves takes all of it along.
  const result = new Int32Array(await tokenizer.encode(text));
  return { result, moved: [result.buffer] };
});
