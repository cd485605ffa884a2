/** The account of a generations artifact: where every source dialogue ended. */
import type { JsonValue } from "../base/index.js";
import type { Generation } from "./generation.js";
import { runIdsLength } from "./run-ids.js";

/** Every source dialogue ends in exactly one of these. */
export type EndStatus = "done" | "partial" | "rejected" | "failed";

/** A dialogue that gives no row, as it stands in rejected.jsonl. */
export interface RejectedRow {
  id: string;
  dialogueDigest: string;
  status: "rejected" | "failed";
  reason: string;
  message: string;
}

export type EndRow = Generation | RejectedRow;

export interface Account {
  read: number;
  kept: number;
  /** Dialogues without a row, by reason. */
  rejected: Record<string, number>;
  byStatus: Record<EndStatus, number>;
  /** Kept dialogues that end early, by reason. */
  partial: Record<string, number>;
  turns: number;
  /** Turns whose ids are our own, held against the server's counts only. */
  countedTurns: number;
  promptTokens: number;
  responseTokens: number;
}

export function emptyAccount(): Account {
  return {
    read: 0,
    kept: 0,
    rejected: {},
    byStatus: { done: 0, partial: 0, rejected: 0, failed: 0 },
    partial: {},
    turns: 0,
    countedTurns: 0,
    promptTokens: 0,
    responseTokens: 0,
  };
}

/** Whether a dialogue's end is a row of generations.jsonl; the others stand in rejected.jsonl. */
export function isKept(row: EndRow): row is Generation {
  return row.status === "done" || row.status === "partial";
}

/** Enters one dialogue's end. */
export function enter(account: Account, row: EndRow): void {
  account.read += 1;
  account.byStatus[row.status] += 1;
  if (!isKept(row)) {
    add(account.rejected, row.reason);
    return;
  }
  account.kept += 1;
  if (row.reason !== undefined) add(account.partial, row.reason);
  account.turns += row.turns.length;
  for (const { prompt, response, counted } of row.turns) {
    if (counted === true) account.countedTurns += 1;
    account.promptTokens += prompt.keep + runIdsLength(prompt.ids);
    account.responseTokens += runIdsLength(response);
  }
}

function add(sums: Record<string, number>, reason: string): void {
  sums[reason] = (sums[reason] ?? 0) + 1;
}

/** As a manifest holds them. */
export interface AccountCounts {
  [name: string]: JsonValue;
  read: number;
  kept: number;
  rejected: Record<string, number>;
}

/** For the manifest: `read` is `kept` and the sum of `rejected`, in which failed dialogues stand by their reason. */
export function accountCounts(account: Account): AccountCounts {
  const { read, kept, rejected, byStatus, partial, turns, countedTurns, promptTokens, responseTokens } = account;
  const { done, failed } = byStatus;
  const counted = countedTurns === 0 ? {} : { countedTurns };
  return { read, kept, rejected, done, partial, failed, turns, ...counted, promptTokens, responseTokens };
}

/** Rows of the closing table. */
export function accountSummary(account: Account): { label: string; value: string }[] {
  const { kept, read, turns, countedTurns, responseTokens, promptTokens } = account;
  const counted = { label: "turns with ids by count alone", value: `${countedTurns} of ${turns}` };
  return [
    { label: "dialogues answered", value: `${kept} of ${read}` },
    { label: "turns", value: String(turns) },
    ...(countedTurns === 0 ? [] : [counted]),
    { label: "prompt / answer tokens", value: `${promptTokens} / ${responseTokens}` },
  ];
}
