/** Answers that repeat themselves without end: valid ids, useless data. */

export interface LoopRules {
  /** A repetition shorter than this many tokens in all is normal text: tables, coordinates, rulers. */
  minTokens: number;
  /** How often the same piece must follow itself. */
  minRepeats: number;
  /** Longest piece looked for, in tokens. */
  maxPeriod: number;
}

export const DEFAULT_LOOP_RULES: LoopRules = { minTokens: 64, minRepeats: 6, maxPeriod: 64 };

export interface Loop {
  /** Index of the first id of the repetition. */
  start: number;
  /** Ids in the repeated piece. */
  period: number;
  /** Ids in the whole repetition. */
  length: number;
}

/** The first repetition that breaks the rules, shortest period first; O(ids * maxPeriod). */
export function findLoop(ids: readonly number[], rules: LoopRules = DEFAULT_LOOP_RULES): Loop | undefined {
  const longest = Math.min(rules.maxPeriod, Math.floor(ids.length / rules.minRepeats));
  for (let period = 1; period <= longest; period += 1) {
    const needed = Math.max(rules.minTokens, rules.minRepeats * period);
    if (needed > ids.length) break;
    let run = period;
    for (let at = period; at < ids.length; at += 1) {
      run = ids[at] === ids[at - period] ? run + 1 : period;
      if (run >= needed) {
        let end = at + 1;
        while (end < ids.length && ids[end] === ids[end - period]) end += 1;
        const start = at + 1 - run;
        return { start, period, length: end - start };
      }
    }
  }
  return undefined;
}
