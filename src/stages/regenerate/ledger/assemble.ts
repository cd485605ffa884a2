/** Puts what the ledger holds into input order: the finished artifact, and the account of every dialogue. */
import { join } from "node:path";
import { openJsonlWriter } from "../../../artifacts/jsonl-writer.js";
import { type Account, emptyAccount, enter, isKept } from "../../../dialogue/index.js";
import type { Ledger } from "./ledger.js";

/**
 * Writes generations.jsonl and rejected.jsonl.
 *
 * @param digests - of all dialogues that were chosen, in input order; one without an end is a bug
 */
export async function assemble(ledger: Ledger, digests: AsyncIterable<string>, directory: string): Promise<Account> {
  const account = emptyAccount();
  const generations = await openJsonlWriter(join(directory, "generations.jsonl"));
  const rejected = await openJsonlWriter(join(directory, "rejected.jsonl"));
  try {
    for await (const digest of digests) {
      const end = await ledger.endOf(digest);
      if (end === undefined) throw new Error(`dialogue ${digest} has no end in ${ledger.path}`);
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
