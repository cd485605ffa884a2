/** One dialogue's turns, wherever they come from, before length and joining are looked at. */
import type { Turn } from "../../tokens/index.js";

export interface Rejection {
  /** null where the whole dialogue is rejected. */
  turn: number | null;
  reason: string;
  message: string;
}

export interface Candidates {
  id: string;
  tags: Record<string, string>;
  /** Assistant turns that there were. */
  read: number;
  turns: Turn[];
  /** Flat grid of every image of the dialogue, by hash. */
  grids: Map<string, readonly [number, number, number]>;
  rejections: Rejection[];
  /** The system message's text; null without one. */
  systemPrompt: string | null;
}
