/** The thread's side of a worker pool: one answer to every task, in order. */
import { parentPort, type TransferListItem } from "node:worker_threads";
import { errorAnswer, type WorkerAnswer } from "./worker-pool.js";

/**
 * Call it once, in the threads' module.
 * @param work - gives the result and what of it moves to the other side instead of being copied
 */
export function serveWorkerPool<Piece, Result>(
  work: (piece: Piece) => Promise<{ result: Result; moved: TransferListItem[] }>,
): void {
  const port = parentPort!;
  const answer = async (piece: Piece): Promise<void> => {
    try {
      const { result, moved } = await work(piece);
      port.postMessage({ result } satisfies WorkerAnswer<Result>, moved);
    } catch (error) {
      port.postMessage(errorAnswer(error));
    }
  };
  let last: Promise<void> = Promise.resolve();
  port.on("message", (piece: Piece) => {
    last = last.then(() => answer(piece));
  });
}
