/** Writes the ledger's rows in input order: the finished artifact, and the account of every dialogue. */
import { join } from "node:path";
import { openJsonlWriter } from "../../../artifacts/index.js";
import { DraftsmithError, TimeSlice } from "../../../base/index.js";
import { type Account, emptyAccount, enter, isKept } from "../../../dialogue/index.js";
import type { Ledger } from "./ledger.js";

/**
 * Writes generations.jsonl and rejected.jsonl.
 *
 * All dialogues that were claimed, in input order; one without an end is a bug.
 */
export async function assemble(ledger: Ledger, directory: string, signal: AbortSignal): Promise<Account> {
  const account = emptyAccount();
  const slice = new TimeSlice();
  const generations = await openJsonlWriter(join(directory, "generations.jsonl"));
  const rejected = await openJsonlWriter(join(directory, "rejected.jsonl"));
  try {
    for (const dialogue of ledger.claimed) {
      if (signal.aborted) throw new DraftsmithError("INTERRUPTED", "stopped while answers were put in order");
      const end = await ledger.endOf(dialogue);
      if (end === undefined) throw new Error(`dialogue number ${dialogue} has no end in ${ledger.path}`);
      if (slice.isOver) await slice.yieldToEventLoop();
      enter(account, end.row);
      await (isKept(end.row) ? generations : rejected).write(end.row);
    }
    await generations.close();
    await rejected.close();
  } catch (error) {
    await Promise.allSettled([generations.discard(), rejected.discard()]);
    throw error;
  }
  return account;
}
