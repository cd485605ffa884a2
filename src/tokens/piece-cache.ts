/**
 * Splits texts at added tokens, encodes the pieces and caches their ids. Chats repeat themselves: the system prompt is in
 * every prompt and each turn in every later one, so most pieces are cached. The result equals encoding whole texts, because
 * the reference splits at added tokens before anything else (a property test compares the two).
 */

/** Maximum number of characters in cached pieces. */
const BUDGET = 8 << 20;
/** Longer pieces are rarely seen again, so they are not cached. */
const LONGEST = 1 << 14;

type Encode = (texts: readonly string[]) => Promise<Int32Array[]>;

export class PieceCache {
  /** In order of last use: a hit moves to the end. */
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
    // Splitting at a capture group keeps the separators, at odd indices.
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
