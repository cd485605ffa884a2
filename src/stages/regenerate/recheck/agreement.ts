/** Agreement of re-checked turns: how many are equal, where others diverge, and when there are certainly too few. */
import { DraftsmithError, type JsonObject } from "../../../base/index.js";
import type { CheckRecord } from "../ledger/check-record.js";

/** An early stop must not be noise, and it is tested after every check: odds of a million to one against it. */
const SURE = Math.log(1e6);

export interface Sums {
  turns: number;
  equal: number;
}

export function sumOf(checks: readonly CheckRecord[]): Sums {
  return checks.reduce((sums, { turns, equal }) => ({ turns: sums.turns + turns, equal: sums.equal + equal }), {
    turns: 0,
    equal: 0,
  });
}

/**
 * Whether so few equal turns are practically impossible if the true agreement were `minAgreement`: Chernoff's bound of the
 * binomial's lower tail, exp(-n KL(equal/n || p)).
 */
export function isSurelyBelow({ turns, equal }: Sums, minAgreement: number): boolean {
  if (turns === 0 || equal >= minAgreement * turns) return false;
  const seen = equal / turns;
  const term = (a: number, b: number): number => (a === 0 ? 0 : a * Math.log(a / b));
  return turns * (term(seen, minAgreement) + term(1 - seen, 1 - minAgreement)) > SURE;
}

export function tooLittleAgreement({ turns, equal }: Sums, minAgreement: number, isEarly: boolean): DraftsmithError {
  const when = isEarly ? "; the run stops early, its answers are kept" : "";
  return new DraftsmithError(
    "VALIDATION_FAILED",
    `only ${equal} of ${turns} re-checked turns came out equal; minAgreement is ${minAgreement}${when}`,
    {
      hint: "start the servers with --enable-deterministic-inference, find one that differs, or lower minAgreement",
    },
  );
}

/** Agreement by who answered and who was asked again; addresses belong in events, not in the artifact. */
export function byServers(checks: readonly CheckRecord[]): string[] {
  const pairs = new Map<string, Sums>();
  for (const { first, again, turns, equal } of checks.flatMap((check) => check.pairs)) {
    const name = `answers of ${first === "" ? "an earlier run" : first} asked again on ${again}`;
    const sums = pairs.get(name) ?? { turns: 0, equal: 0 };
    pairs.set(name, { turns: sums.turns + turns, equal: sums.equal + equal });
  }
  return [...pairs].sort().map(([name, { turns, equal }]) => `${name}: ${equal} of ${turns} turns equal`);
}

/** @throws DraftsmithError VALIDATION_FAILED - fewer than `minAgreement` of all re-checked turns are equal */
export function report(checks: readonly CheckRecord[], minAgreement: number): JsonObject {
  const sums = sumOf(checks);
  const { turns, equal } = sums;
  if (turns > 0 && equal < minAgreement * turns) throw tooLittleAgreement(sums, minAgreement, false);
  const sorted = checks.flatMap(({ firstDifferences }) => firstDifferences).sort((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)] ?? null;
  return { turns, equal, firstDifference: { earliest: sorted[0] ?? null, median } };
}
