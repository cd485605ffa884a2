/** Compares two id sequences and shows the first difference side by side as tokens. */
import { commonPrefix, foldIds } from "../../dialogue/index.js";
import type { Speller } from "../../model/index.js";
import type { Token, TokenWindow } from "../../report/index.js";

export interface Difference {
  /** Index of the first id that differs, or the length of the shorter one. */
  index: number;
  /** A few tokens before and after it, in pairs. */
  window: TokenWindow;
  /** The same as lines of text. */
  frame: string;
}

/** Tokens shown before and after the first difference. */
const BEFORE = 5;
const AFTER = 6;

/** null where the sequences are equal. */
export function compareIds(
  ours: ArrayLike<number>,
  theirs: ArrayLike<number>,
  spell: Speller,
  names: readonly [string, string],
): Difference | null {
  const index = commonPrefix(ours, theirs);
  if (index === ours.length && index === theirs.length) return null;
  const left = itemsOf(ours);
  const right = itemsOf(theirs);
  const at = left.findIndex((item) => item.start + item.count > index);
  const centre = at < 0 ? left.length : at;
  const from = Math.max(0, centre - BEFORE);
  // Both sides fold into the same items up to the first difference, so items pair by index.
  const rows: TokenWindow["rows"][number][] = [];
  for (let i = from; i < centre + AFTER; i += 1) {
    const [a, b] = [left[i], right[i]];
    if (a === undefined && b === undefined) break;
    const differs = a?.id !== b?.id || a?.count !== b?.count;
    rows.push({ differs, ours: tokenOf(a, spell), theirs: tokenOf(b, spell) });
  }
  const window: TokenWindow = { names: [...names], rows };
  return { index, window, frame: frameOf(window) };
}

function frameOf({ names, rows }: TokenWindow): string {
  const lines = rows.map(({ differs, ours, theirs }) => [differs ? ">" : " ", show(ours), show(theirs)] as const);
  const width = Math.max(names[0].length, ...lines.map(([, a]) => a.length));
  const head = `    ${names[0].padEnd(width)}  ${names[1]}`;
  return [head, ...lines.map(([mark, a, b]) => `  ${mark} ${a.padEnd(width)}  ${b}`.trimEnd())].join("\n");
}

interface Item {
  id: number;
  count: number;
  start: number;
}

/** Folds runs of one id into one item: what matters about image pads is their number. */
function itemsOf(ids: ArrayLike<number>): Item[] {
  let start = 0;
  return foldIds(ids).map((folded) => {
    const [id, count] = typeof folded === "number" ? [folded, 1] : folded;
    const item = { id, count, start };
    start += count;
    return item;
  });
}

function tokenOf(item: Item | undefined, spell: Speller): Token | null {
  return item === undefined ? null : { at: item.start, id: item.id, count: item.count, piece: spell(item.id) };
}

function show(token: Token | null): string {
  if (token === null) return "(end)";
  const times = token.count === 1 ? "" : ` x ${token.count}`;
  return `${String(token.at).padStart(6)} ${JSON.stringify(token.piece)} ${token.id}${times}`;
}
