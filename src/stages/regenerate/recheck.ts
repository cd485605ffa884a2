/**
 * Asks a share of the finished turns again, elsewhere where that is possible: temperature 0 is an argmax, but batching
 * may flip near-ties, so agreement is measured and not assumed. Most are asked while the run goes on; this is the rest.
 */
import { setMaxListeners } from "node:events";
import { DraftsmithError, type JsonObject } from "../../base/index.js";
import { commonPrefix, type Generation, unfoldIds } from "../../dialogue/index.js";
import { isUsable } from "../../sglang/index.js";
import { byServers, report } from "./agreement.js";
import { Asker } from "./asker.js";
import { type Answerers, answererOf, type CheckRecord, emptyCheck, enterTurn } from "./check-record.js";
import type { CrewParts } from "./crew-parts.js";
import { type Seat, Stopped } from "./fleet.js";
import { questionOf } from "./request.js";
import type { Chosen } from "./selection.js";

/** @returns the account for the manifest's counts; undefined when nothing was to be checked */
export async function recheck(parts: CrewParts, dialogues: AsyncIterable<Chosen>): Promise<JsonObject | undefined> {
  const { options, signal } = parts;
  if (options.recheckShare === 0) return undefined;
  parts.tally.phase = "re-check";
  const stopping = new AbortController();
  setMaxListeners(0, stopping.signal);
  const stop = (): void => stopping.abort();
  signal.addEventListener("abort", stop, { once: true });
  const asker = new Asker(parts.fleet, options, parts.tally, stopping.signal);
  const checks: CheckRecord[] = [];
  const running = new Set<Promise<void>>();
  let fatal: unknown;
  try {
    for await (const { digest } of dialogues) {
      if (fatal !== undefined || signal.aborted) break;
      if (!isChosen(digest, options.recheckShare)) continue;
      const known = await parts.ledger.checkOf(digest);
      if (known !== undefined) {
        checks.push(known);
        continue;
      }
      const end = await parts.ledger.endOf(digest);
      if (end === undefined || (end.status !== "done" && end.status !== "partial")) continue;
      // Elsewhere, if that is possible: two servers that agree say more than one that agrees with itself.
      const seat = await seatElsewhere(parts, end.answerers.server, running);
      const task = checkOne(parts, asker, seat, end.row as Generation, end.answerers)
        .then(async (check) => {
          await parts.ledger.addCheck(digest, check);
          checks.push(check);
        })
        .catch((error: unknown) => {
          if (!(error instanceof Stopped)) fatal ??= error;
        })
        .finally(() => {
          parts.fleet.release(seat);
          running.delete(task);
        });
      running.add(task);
    }
    await Promise.all(running);
  } finally {
    parts.tally.phase = "";
    signal.removeEventListener("abort", stop);
  }
  if (fatal !== undefined) throw fatal;
  if (signal.aborted) throw new DraftsmithError("INTERRUPTED", "stopped while turns were asked again");
  for (const line of byServers(checks)) parts.note("info", line);
  return report(checks, options.minAgreement);
}

/** Waits for checks under way rather than ask the first server again while another one is up. */
async function seatElsewhere(
  { fleet }: CrewParts,
  first: string | undefined,
  running: ReadonlySet<Promise<void>>,
): Promise<Seat> {
  for (;;) {
    const seat = await fleet.acquire(first);
    if (!isNeedlesslySame(fleet, seat, first) || running.size === 0) return seat;
    fleet.release(seat);
    await Promise.race(running);
  }
}

/** Whether a seat is on the server of the first answer although another server is up. */
export function isNeedlesslySame(fleet: CrewParts["fleet"], seat: Seat, first: string | undefined): boolean {
  const hasOther = fleet.members.some(({ name, state }) => state === "up" && name !== first);
  return seat.member !== undefined && seat.member.name === first && hasOther;
}

/** By the digest, so that the same dialogues are chosen whatever the order and the machine. */
export function isChosen(digest: string, share: number): boolean {
  return Number.parseInt(digest.slice(-8), 16) < share * 2 ** 32;
}

export async function checkOne(
  parts: CrewParts,
  asker: Asker,
  seat: Seat,
  { id, messages, turns, tools }: Generation,
  answerers: Answerers,
): Promise<CheckRecord> {
  const check = emptyCheck();
  for (const [at, turn] of turns.entries()) {
    const question = await questionOf(messages.slice(0, turn.message), tools === undefined ? {} : { tools }, parts);
    const outcome = await asker.ask(seat, question, { dialogue: id, turn: at, isRecheck: true });
    // A question that finds no answer now says nothing about agreement.
    if (!isUsable(outcome)) continue;
    const before = unfoldIds(turn.response);
    const now = outcome.answer.responseIds;
    const same = commonPrefix(before, now);
    const isEqual = same === before.length && same === now.length;
    enterTurn(check, answererOf(answerers, at), seat.member?.name ?? "", isEqual ? undefined : same);
  }
  parts.tally.statistics.recheck.add(check);
  return check;
}
