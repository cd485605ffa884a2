/** One dialogue's turns, from either source, before the length policy and joining. */
import type { Turn } from "../../tokens/index.js";

export interface Rejection {
  /** null if the whole dialogue is rejected. */
  turn: number | null;
  reason: string;
  message: string;
}

export interface Candidates {
  id: string;
  tags: Record<string, string>;
  /** Assistant turns in the input. */
  read: number;
  turns: Turn[];
  /** Flat grid of every image of the dialogue, by hash. */
  grids: Map<string, readonly [number, number, number]>;
  rejections: Rejection[];
  /** Text of the system message; null if there is none. */
  systemPrompt: string | null;
}
