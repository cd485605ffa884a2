/** What maxLength costs: supervised tokens read and lost, by turn and by number of images, so that nobody has to guess. */
import { z } from "zod";

/** One turn under the length policy. */
export interface TurnLength {
  turn: number;
  /** Images of its prompt. */
  images: number;
  /** Tokens of its answer. */
  supervised: number;
  /** Of these, the ones that maxLength costs: all of a dropped turn, the end of a cut answer. */
  lost: number;
}

const tokens = z.number().int().nonnegative();

const lossSchema = z.strictObject({
  turns: tokens,
  supervisedTokens: tokens.describe("tokens of the answers before the length policy"),
  lostTokens: tokens.describe("of these, the ones lost to maxLength"),
  lostShare: z.number().min(0).max(1),
});

export const lengthLossSchema = z.strictObject({
  ...lossSchema.shape,
  byTurn: z.record(z.string(), lossSchema).describe("turns of a dialogue count from 0"),
  byImages: z.record(z.string(), lossSchema).describe("by the number of images in the prompt"),
});
export type LengthLossData = z.infer<typeof lengthLossSchema>;

interface Sums {
  turns: number;
  supervised: number;
  lost: number;
}

/** Dialogues are untrusted: further turns and image counts share one entry. */
const MOST_KEYS = 64;

export class LengthLoss {
  private readonly all = emptySums();
  private readonly turns = new Map<number, Sums>();
  private readonly images = new Map<number, Sums>();

  add(length: TurnLength): void {
    enter(this.all, length);
    enter(sumsFor(this.turns, length.turn), length);
    enter(sumsFor(this.images, length.images), length);
  }

  data(): LengthLossData {
    return { ...lossOf(this.all), byTurn: lossesOf(this.turns), byImages: lossesOf(this.images) };
  }
}

function sumsFor(map: Map<number, Sums>, key: number): Sums {
  const place = Math.min(key, MOST_KEYS);
  const known = map.get(place) ?? emptySums();
  map.set(place, known);
  return known;
}

function enter(sums: Sums, { supervised, lost }: TurnLength): void {
  sums.turns += 1;
  sums.supervised += supervised;
  sums.lost += lost;
}

function emptySums(): Sums {
  return { turns: 0, supervised: 0, lost: 0 };
}

function lossOf({ turns, supervised, lost }: Sums): z.infer<typeof lossSchema> {
  // Six digits: enough for one token in a million.
  const lostShare = supervised === 0 ? 0 : Math.round((lost / supervised) * 1e6) / 1e6;
  return { turns, supervisedTokens: supervised, lostTokens: lost, lostShare };
}

function lossesOf(map: ReadonlyMap<number, Sums>): Record<string, z.infer<typeof lossSchema>> {
  const sorted = [...map].sort(([a], [b]) => a - b);
  return Object.fromEntries(
    sorted.map(([key, sums]) => [key === MOST_KEYS ? `${MOST_KEYS}+` : String(key), lossOf(sums)]),
  );
}

/** "12.3 % of 88070 (by turn: 3: 20 %, 4: 61 %; by images: ...)"; the places where something is lost. */
export function lossText({ supervisedTokens, lostTokens, lostShare, byTurn, byImages }: LengthLossData): string {
  if (lostTokens === 0) return `none of ${supervisedTokens}`;
  const places = (losses: LengthLossData["byTurn"]): string =>
    Object.entries(losses)
      .filter(([, loss]) => loss.lostTokens > 0)
      .slice(0, 8)
      .map(([key, loss]) => `${key}: ${percent(loss.lostShare)}`)
      .join(", ");
  return `${lostTokens} of ${supervisedTokens}, ${percent(lostShare)} (by turn ${places(byTurn)}; by images ${places(byImages)})`;
}

export function percent(share: number): string {
  return share > 0 && share < 0.001 ? "under 0.1 %" : `${Math.round(share * 1000) / 10} %`;
}
