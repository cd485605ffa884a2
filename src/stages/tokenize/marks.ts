/** A set of 128-bit marks in typed arrays: 32 bytes a mark at most, where a Set of strings takes over 100. */
const WORDS = 4;
const FIRST_SLOTS = 1 << 12;

export class Marks {
  private slots = new Uint32Array(FIRST_SLOTS * WORDS);
  private count = 0;

  /**
   * @param digest - of at least 16 bytes, evenly distributed (a cryptographic hash)
   * @returns false when it was there
   */
  add(digest: Buffer): boolean {
    if (2 * (this.count + 1) * WORDS > this.slots.length) this.grow();
    const mark = Uint32Array.from({ length: WORDS }, (_, word) => digest.readUInt32LE(4 * word));
    // All zeros say that a slot is free; this mark is as good as that one, which has the odds of any other.
    if (mark.every((word) => word === 0)) mark[0] = 1;
    const slot = this.find(mark);
    if (this.isSet(slot)) return false;
    this.slots.set(mark, slot);
    this.count += 1;
    return true;
  }

  get size(): number {
    return this.count;
  }

  /** Where it is, or the free slot where it belongs. */
  private find(mark: Uint32Array): number {
    const { slots } = this;
    const last = slots.length - 1;
    let slot = (mark[0]! * WORDS) & last;
    for (;;) {
      if (!this.isSet(slot)) return slot;
      let word = 0;
      while (word < WORDS && slots[slot + word] === mark[word]) word += 1;
      if (word === WORDS) return slot;
      slot = (slot + WORDS) & last;
    }
  }

  private isSet(slot: number): boolean {
    const { slots } = this;
    return (slots[slot]! | slots[slot + 1]! | slots[slot + 2]! | slots[slot + 3]!) !== 0;
  }

  private grow(): void {
    const before = this.slots;
    this.slots = new Uint32Array(2 * before.length);
    for (let slot = 0; slot < before.length; slot += WORDS) {
      const mark = before.subarray(slot, slot + WORDS);
      if (mark.some((word) => word !== 0)) this.slots.set(mark, this.find(mark));
    }
  }
}
