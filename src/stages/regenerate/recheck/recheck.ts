/**
 * Asks a share of the finished turns again, elsewhere where that is possible: temperature 0 is an argmax, but batching
 * may flip near-ties, so agreement is measured and not assumed. Most are asked during the run; these are the rest.
 */
import { setMaxListeners } from "node:events";
import { DraftsmithError, defined, type JsonObject } from "../../../base/index.js";
import { commonPrefix, type Generation, unfoldIds } from "../../../dialogue/index.js";
import { isUsable } from "../../../sglang/index.js";
import { Asker } from "../asking/asker.js";
import { askedTurn } from "../asking/request.js";
import type { RunParts } from "../asking/run-parts.js";
import { type Answerers, answererOf, type CheckRecord, emptyCheck, enterTurn } from "../ledger/check-record.js";
import { type Slot, Stopped } from "../servers/slots.js";
import { byServers, report } from "./agreement.js";

/** @returns the account for the manifest's counts; undefined when nothing was to be checked */
export async function recheck(parts: RunParts): Promise<JsonObject | undefined> {
  const { options, signal } = parts;
  if (options.recheckShare === 0) return undefined;
  parts.progress.phase = "re-check";
  const stopping = new AbortController();
  setMaxListeners(0, stopping.signal);
  const stop = (): void => stopping.abort();
  signal.addEventListener("abort", stop, { once: true });
  const asker = new Asker(parts, stopping.signal);
  const checks: CheckRecord[] = [];
  const running = new Set<Promise<void>>();
  let fatal: unknown;
  try {
    for (const dialogue of parts.ledger.toRecheck) {
      if (fatal !== undefined || signal.aborted) break;
      const known = await parts.ledger.checkOf(dialogue);
      if (known !== undefined) {
        checks.push(known);
        continue;
      }
      const end = await parts.ledger.endOf(dialogue);
      if (end === undefined || (end.status !== "done" && end.status !== "partial")) continue;
      // On another server if possible: agreement of two servers says more than that of one with itself.
      const slot = await slotElsewhere(parts, end.answerers.server, running);
      const task = checkOne(parts, asker, slot, end.row as Generation, end.answerers)
        .then(async (check) => {
          await parts.ledger.addCheck(end.row.dialogueDigest, check);
          checks.push(check);
        })
        .catch((error: unknown) => {
          if (!(error instanceof Stopped)) fatal ??= error;
        })
        .finally(() => {
          parts.pool.slots.release(slot);
          running.delete(task);
        });
      running.add(task);
    }
    await Promise.all(running);
  } finally {
    parts.progress.phase = "";
    signal.removeEventListener("abort", stop);
  }
  if (fatal !== undefined) throw fatal;
  if (signal.aborted) throw new DraftsmithError("INTERRUPTED", "stopped while turns were asked again");
  for (const line of byServers(checks)) parts.note("info", line);
  return report(checks, options.minAgreement);
}

/** Waits for running checks rather than ask the first server again while another one is up. */
async function slotElsewhere(
  { pool }: RunParts,
  first: string | undefined,
  running: ReadonlySet<Promise<void>>,
): Promise<Slot> {
  for (;;) {
    const slot = await pool.slots.acquire(first);
    if (!isNeedlesslySame(pool, slot, first) || running.size === 0) return slot;
    pool.slots.release(slot);
    await Promise.race(running);
  }
}

/** Whether a slot is on the server of the first answer although another server is up. */
export function isNeedlesslySame(pool: RunParts["pool"], slot: Slot, first: string | undefined): boolean {
  const hasOther = pool.servers.some(({ name, state }) => state === "up" && name !== first);
  return slot.server !== undefined && slot.server.name === first && hasOther;
}

/** By digest: the same dialogues are chosen on every machine, in any order. */
export function isChosen(digest: string, share: number): boolean {
  return Number.parseInt(digest.slice(-8), 16) < share * 2 ** 32;
}

export async function checkOne(
  parts: RunParts,
  asker: Asker,
  slot: Slot,
  { id, messages, turns, tools }: Generation,
  answerers: Answerers,
): Promise<CheckRecord> {
  const check = emptyCheck();
  for (const [at, turn] of turns.entries()) {
    const about = { dialogue: id, turn: at, isRecheck: true };
    const dialogue = defined({ tools });
    const outcome = await asker.ask(slot, await askedTurn(messages.slice(0, turn.message), dialogue, about, parts));
    // A question without an answer now says nothing about agreement.
    if (!isUsable(outcome)) continue;
    const before = unfoldIds(turn.response);
    const now = outcome.answer.responseIds;
    const same = commonPrefix(before, now);
    const isEqual = same === before.length && same === now.length;
    enterTurn(check, answererOf(answerers, at), slot.server?.name ?? "", isEqual ? undefined : same);
  }
  parts.progress.statistics.recheck.add(check);
  return check;
}
