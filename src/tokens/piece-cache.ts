/**
 * Encodes texts piece by piece between added tokens and remembers the pieces. Chats repeat themselves: a system prompt
 * stands in every prompt, a turn in every later one, so most pieces have been seen. Equal to encoding whole texts, as
 * the reference cuts at added tokens before anything else (a property test holds the two together).
 */

/** Characters of remembered pieces at most. */
const BUDGET = 8 << 20;
/** Longer ones are rarely seen again. */
const LONGEST = 1 << 14;

type Encode = (texts: readonly string[]) => Promise<Int32Array[]>;

export class PieceCache {
  /** Insertion order is age: a hit moves to the end. */
  private readonly known = new Map<string, Int32Array>();
  private size = 0;
  private readonly cut: RegExp;

  constructor(
    private readonly separators: ReadonlyMap<string, number>,
    private readonly encode: Encode,
  ) {
    const longestFirst = [...separators.keys()].sort((a, b) => b.length - a.length);
    const pattern = longestFirst.map((token) => token.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|");
    this.cut = new RegExp(`(${pattern})`);
  }

  async encodeBatch(texts: readonly string[]): Promise<Int32Array[]> {
    // Splitting at a group keeps the separators: they stand at odd places.
    const split = texts.map((text) => text.split(this.cut));
    const found = new Map<string, Int32Array>();
    const missing = new Set<string>();
    for (const pieces of split) {
      for (let at = 0; at < pieces.length; at += 2) {
        const piece = pieces[at]!;
        if (piece === "" || found.has(piece) || missing.has(piece)) continue;
        const ids = this.recall(piece);
        if (ids === undefined) missing.add(piece);
        else found.set(piece, ids);
      }
    }
    const pieces = [...missing];
    for (const [index, ids] of (await this.encode(pieces)).entries()) {
      found.set(pieces[index]!, ids);
      this.remember(pieces[index]!, ids);
    }
    return split.map((parts) => this.join(parts, found));
  }

  private join(parts: readonly string[], found: ReadonlyMap<string, Int32Array>): Int32Array {
    let length = 0;
    for (const [at, part] of parts.entries()) {
      if (at % 2 === 1) length += 1;
      else if (part !== "") length += found.get(part)!.length;
    }
    const ids = new Int32Array(length);
    let next = 0;
    for (const [at, part] of parts.entries()) {
      if (at % 2 === 1) ids[next++] = this.separators.get(part)!;
      else if (part !== "") {
        const piece = found.get(part)!;
        ids.set(piece, next);
        next += piece.length;
      }
    }
    return ids;
  }

  private recall(piece: string): Int32Array | undefined {
    const ids = this.known.get(piece);
    if (ids === undefined) return undefined;
    this.known.delete(piece);
    this.known.set(piece, ids);
    return ids;
  }

  private remember(piece: string, ids: Int32Array): void {
    if (piece.length > LONGEST || this.known.has(piece)) return;
    this.known.set(piece, ids);
    this.size += piece.length;
    for (const oldest of this.known.keys()) {
      if (this.size <= BUDGET) break;
      this.known.delete(oldest);
      this.size -= oldest.length;
    }
  }
}
