/**
 * Assigns numbers to digests in insertion order, in typed arrays: 24 to 48 bytes per digest. A Map of strings takes
 * well over 100, in objects that the garbage collector scans again and again.
 */
const WORDS = 4;
const FIRST = 1 << 10;
/** The load factor is at most 1/2, so probe sequences stay short. */
const SLOTS_PER_DIGEST = 2;

export class DigestIndex {
  /** The digests by number. */
  private keys = new Uint32Array(FIRST * WORDS);
  /** Open addressing: a digest's number plus one; 0 marks a free slot. */
  private slots = new Uint32Array(FIRST * SLOTS_PER_DIGEST);
  private count = 0;
  /** The digest being looked up. */
  private readonly wanted = new Uint32Array(WORDS);

  /** How many digests there are, which is also the number of the next new one. */
  get size(): number {
    return this.count;
  }

  /**
   * @param digest - of at least 16 bytes, evenly distributed (a cryptographic hash); bytes beyond them are not looked at
   * @returns its number; undefined where it was never added
   */
  find(digest: Buffer): number | undefined {
    const found = this.slots[this.slotOf(digest)]!;
    return found === 0 ? undefined : found - 1;
  }

  /** @returns its number, which equals the previous `size` exactly when the digest is new */
  add(digest: Buffer): number {
    let slot = this.slotOf(digest);
    const found = this.slots[slot]!;
    if (found !== 0) return found - 1;
    if (this.count * WORDS === this.keys.length) {
      this.grow();
      slot = this.slotOf(digest);
    }
    this.keys.set(this.wanted, this.count * WORDS);
    this.count += 1;
    this.slots[slot] = this.count;
    return this.count - 1;
  }

  /** The slot that holds it, or the free slot where it belongs. */
  private slotOf(digest: Buffer): number {
    const { wanted, keys, slots } = this;
    for (let word = 0; word < WORDS; word += 1) wanted[word] = digest.readUInt32LE(4 * word);
    const last = slots.length - 1;
    for (let slot = this.home(wanted, 0); ; slot = (slot + 1) & last) {
      const found = slots[slot]!;
      if (found === 0) return slot;
      const key = (found - 1) * WORDS;
      let word = 0;
      while (word < WORDS && keys[key + word] === wanted[word]) word += 1;
      if (word === WORDS) return slot;
    }
  }

  /** By the last word: callers partition their work by the first ones, which are therefore alike within a partition. */
  private home(keys: Uint32Array, at: number): number {
    return keys[at + WORDS - 1]! & (this.slots.length - 1);
  }

  private grow(): void {
    const before = this.keys;
    this.keys = new Uint32Array(2 * before.length);
    this.keys.set(before);
    // Rebuilt from the keys, so the old slots can be freed first.
    const length = 2 * this.slots.length;
    this.slots = new Uint32Array(0);
    this.slots = new Uint32Array(length);
    for (let number = 0; number < this.count; number += 1) {
      let slot = this.home(this.keys, number * WORDS);
      while (this.slots[slot] !== 0) slot = (slot + 1) & (length - 1);
      this.slots[slot] = number + 1;
    }
  }
}
