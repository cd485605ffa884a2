/** "Did you mean ...?" for names that a person typed. */
import { closest, distance } from "fastest-levenshtein";

/** The candidate nearest to `word`, when it is near enough for a typo. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  if (candidates.length === 0) return undefined;
  const lower = word.toLowerCase();
  const best = closest(
    lower,
    candidates.map((candidate) => candidate.toLowerCase()),
  );
  const match = candidates.find((candidate) => candidate.toLowerCase() === best)!;
  const length = Math.max(word.length, match.length);
  // Two transposed letters count as two edits.
  const allowed = length <= 3 && !isShuffled(lower, best) ? 1 : Math.max(2, Math.floor(length / 3));
  return distance(lower, best) <= allowed ? match : undefined;
}

function isShuffled(a: string, b: string): boolean {
  return [...a].sort().join("") === [...b].sort().join("");
}

/** A hint sentence: the nearest candidate, or all of them when none is near. */
export function suggestion(word: string, candidates: readonly string[], what: string): string {
  const match = nearest(word, candidates);
  if (match !== undefined) return `did you mean ${match}?`;
  if (candidates.length === 0) return `there are no ${what}`;
  return `known ${what}: ${candidates.join(", ")}`;
}
