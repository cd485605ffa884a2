/** Puts what the ledger holds into input order: the finished artifact, and the account of every dialogue. */
import { join } from "node:path";
import { openJsonlWriter } from "../../artifacts/jsonl-writer.js";
import type { Generation } from "../../dialogue/index.js";
import { runIdsLength } from "../../dialogue/index.js";
import type { EndStatus, Ledger, RejectedRow } from "./ledger.js";

export interface Account {
  read: number;
  kept: number;
  /** Dialogues without a row, by reason. */
  rejected: Record<string, number>;
  byStatus: Record<EndStatus, number>;
  /** Kept dialogues that end early, by reason. */
  partial: Record<string, number>;
  turns: number;
  promptTokens: number;
  responseTokens: number;
}

/**
 * Writes generations.jsonl and rejected.jsonl.
 *
 * @param digests - of all dialogues, in input order
 * @returns the account; `unanswered` is the number of dialogues that have no end, which is a bug
 */
export async function merge(ledger: Ledger, digests: AsyncIterable<string>, directory: string): Promise<Account> {
  const account = emptyAccount();
  const generations = await openJsonlWriter(join(directory, "generations.jsonl"));
  const rejected = await openJsonlWriter(join(directory, "rejected.jsonl"));
  try {
    for await (const digest of digests) {
      const end = await ledger.endOf(digest);
      if (end === undefined) throw new Error(`dialogue ${digest} has no end in ${ledger.path}`);
      account.read += 1;
      account.byStatus[end.status] += 1;
      if (end.status === "done" || end.status === "partial") {
        const row = end.row as Generation;
        enter(account, row);
        await generations.write(row);
      } else {
        const { reason } = end.row as RejectedRow;
        account.rejected[reason] = (account.rejected[reason] ?? 0) + 1;
        await rejected.write(end.row);
      }
    }
    await generations.close();
    await rejected.close();
  } catch (error) {
    await Promise.allSettled([generations.discard(), rejected.discard()]);
    throw error;
  }
  return account;
}

function emptyAccount(): Account {
  return {
    read: 0,
    kept: 0,
    rejected: {},
    byStatus: { done: 0, partial: 0, rejected: 0, failed: 0 },
    partial: {},
    turns: 0,
    promptTokens: 0,
    responseTokens: 0,
  };
}

function enter(account: Account, row: Generation): void {
  account.kept += 1;
  if (row.reason !== undefined) account.partial[row.reason] = (account.partial[row.reason] ?? 0) + 1;
  account.turns += row.turns.length;
  for (const { prompt, response } of row.turns) {
    account.promptTokens += prompt.keep + runIdsLength(prompt.ids);
    account.responseTokens += runIdsLength(response);
  }
}
