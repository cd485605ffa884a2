/**
 * Asks a share of the finished turns again, elsewhere where that is possible: temperature 0 is an argmax, but batching
 * may flip near-ties, so agreement is measured and not assumed.
 */
import { setMaxListeners } from "node:events";
import { DraftsmithError, type JsonObject } from "../../base/index.js";
import { commonPrefix, type Dialogue, dialogueDigest, type Generation, unfoldIds } from "../../dialogue/index.js";
import { isUsable } from "../../sglang/index.js";
import { Asker } from "./asker.js";
import type { CrewParts } from "./crew.js";
import { Stopped } from "./fleet.js";
import type { CheckRecord } from "./ledger.js";
import { questionOf } from "./request.js";

/** @returns the account for the manifest's counts; undefined when nothing was to be checked */
export async function recheck(parts: CrewParts, dialogues: AsyncIterable<Dialogue>): Promise<JsonObject | undefined> {
  const { options, ledger, fleet, signal } = parts;
  if (options.recheckShare === 0) return undefined;
  const stopping = new AbortController();
  setMaxListeners(0, stopping.signal);
  const stop = (): void => stopping.abort();
  signal.addEventListener("abort", stop, { once: true });
  const asker = new Asker(fleet, options, parts.tally, stopping.signal);
  const sums: CheckRecord = { turns: 0, equal: 0, firstDifferences: [] };
  const running = new Set<Promise<void>>();
  let fatal: unknown;
  try {
    for await (const dialogue of dialogues) {
      if (fatal !== undefined || signal.aborted) break;
      const digest = dialogueDigest(dialogue);
      if (!isChosen(digest, options.recheckShare)) continue;
      const seat = await fleet.acquire();
      const task = (async () => {
        try {
          const known = await ledger.checkOf(digest);
          const check = known ?? (await checkOne(parts, asker, seat, digest));
          if (check === undefined) return;
          if (known === undefined) await ledger.addCheck(digest, check);
          sums.turns += check.turns;
          sums.equal += check.equal;
          sums.firstDifferences.push(...check.firstDifferences);
        } finally {
          fleet.release(seat);
        }
      })()
        .catch((error: unknown) => {
          if (!(error instanceof Stopped)) fatal ??= error;
        })
        .finally(() => running.delete(task));
      running.add(task);
    }
    await Promise.all(running);
  } finally {
    signal.removeEventListener("abort", stop);
  }
  if (fatal !== undefined) throw fatal;
  if (signal.aborted) throw new DraftsmithError("INTERRUPTED", "stopped while turns were asked again");
  return report(sums, options.minAgreement);
}

/** By the digest, so that the same dialogues are chosen whatever the order and the machine. */
function isChosen(digest: string, share: number): boolean {
  return Number.parseInt(digest.slice(-8), 16) < share * 2 ** 32;
}

async function checkOne(
  { ledger, options, images }: CrewParts,
  asker: Asker,
  seat: Parameters<Asker["ask"]>[0],
  digest: string,
): Promise<CheckRecord | undefined> {
  const end = await ledger.endOf(digest);
  if (end === undefined || (end.status !== "done" && end.status !== "partial")) return undefined;
  const { messages, turns, tools } = end.row as Generation;
  const check: CheckRecord = { turns: 0, equal: 0, firstDifferences: [] };
  for (const turn of turns) {
    const question = await questionOf(
      messages.slice(0, turn.message),
      tools === undefined ? {} : { tools },
      options,
      images,
    );
    const outcome = await asker.ask(seat, question);
    // A question that finds no answer now says nothing about agreement.
    if (!isUsable(outcome)) continue;
    const before = unfoldIds(turn.response);
    const now = outcome.answer.responseIds;
    const same = commonPrefix(before, now);
    check.turns += 1;
    if (same === before.length && same === now.length) check.equal += 1;
    else check.firstDifferences.push(same);
  }
  return check;
}

function report(sums: CheckRecord, minAgreement: number): JsonObject {
  const { turns, equal } = sums;
  if (turns > 0 && equal < minAgreement * turns) {
    throw new DraftsmithError(
      "VALIDATION_FAILED",
      `only ${equal} of ${turns} re-checked turns came out equal; minAgreement is ${minAgreement}`,
      { hint: "start the servers with --enable-deterministic-inference, or look for one that differs" },
    );
  }
  const sorted = [...sums.firstDifferences].sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] ?? null;
  return { turns, equal, firstDifference: { earliest: sorted[0] ?? null, median } };
}
