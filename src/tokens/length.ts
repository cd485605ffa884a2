/** What happens to a turn that is longer than the trainer's rows. */
import type { Turn } from "./turns.js";

export type OverLength = "drop" | "truncate";

/** A draft needs an anchor and the token after it, both supervised. */
export const LEAST_SUPERVISED = 2;

/**
 * Fits a turn into `maxLength` ids, or returns null if that is impossible. Only the end of an answer is ever cut, so a
 * prompt keeps every image and every frame of a video. A cut answer loses its stop token.
 */
export function fitTurn(turn: Turn, maxLength: number, policy: OverLength): { turn: Turn; cut: boolean } | null {
  const { prompt, response } = turn;
  if (prompt.length + response.length <= maxLength) return { turn, cut: false };
  const room = maxLength - prompt.length;
  if (policy === "drop" || room < LEAST_SUPERVISED) return null;
  return { turn: { ...turn, response: response.slice(0, room) }, cut: true };
}
