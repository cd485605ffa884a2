/** Results of asking a dialogue's turns again, as stored in the journal. */

/** Turns that one server answered and another (or the same) was asked again. */
export interface CheckPair {
  /** Empty where it is not known: an answer that was taken over, or of an older journal. */
  first: string;
  again: string;
  turns: number;
  equal: number;
}

export interface CheckRecord {
  turns: number;
  equal: number;
  /** For each turn that differs: the index of the first other id. */
  firstDifferences: number[];
  /** A dialogue may have moved between servers, so there may be several. */
  pairs: CheckPair[];
}

/** Until each turn had its servers, a record named one pair for all of them. */
type EarlierRecord = Omit<CheckRecord, "pairs"> & { servers: [first: string, again: string] };

/** A record of this journal, whichever version wrote it. */
export function readCheck(found: CheckRecord | EarlierRecord): CheckRecord {
  if ("pairs" in found) return found;
  const { servers, ...check } = found;
  const [first, again] = servers;
  return { ...check, pairs: [{ first, again, turns: check.turns, equal: check.equal }] };
}

/** @param difference - index of the first other id; undefined where the answers are equal */
export function enterTurn(check: CheckRecord, first: string, again: string, difference: number | undefined): void {
  let pair = check.pairs.find((known) => known.first === first && known.again === again);
  if (pair === undefined) {
    pair = { first, again, turns: 0, equal: 0 };
    check.pairs.push(pair);
  }
  for (const sums of [check, pair]) {
    sums.turns += 1;
    if (difference === undefined) sums.equal += 1;
  }
  if (difference !== undefined) check.firstDifferences.push(difference);
}

export function emptyCheck(): CheckRecord {
  return { turns: 0, equal: 0, firstDifferences: [], pairs: [] };
}

/** The servers that gave a dialogue's answers. */
export interface Answerers {
  /** The last answer; undefined where it is not known. */
  server?: string | undefined;
  /** Each answer, where not all are from the same server; empty for one that is not known. */
  servers?: readonly string[];
}

/** @param servers - of each turn @param turns - how many of them were kept */
export function answerersOf(servers: readonly string[], turns: number): Answerers {
  const kept = servers.slice(0, turns);
  const last = kept.at(-1);
  if (last === undefined) return {};
  const all = kept.every((name) => name === last) ? {} : { servers: kept };
  return { ...(last === "" ? {} : { server: last }), ...all };
}

export function answererOf({ server, servers }: Answerers, turn: number): string {
  return servers?.[turn] ?? server ?? "";
}
