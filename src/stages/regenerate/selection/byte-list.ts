/** Bytes that come one after another, in one buffer that grows: no objects for the garbage collector. */
const FIRST = 1 << 12;

export class ByteList {
  private buffer = Buffer.alloc(FIRST);
  private length = 0;

  add(bytes: ArrayLike<number>): void {
    if (this.length + bytes.length > this.buffer.length) {
      const longer = Buffer.alloc(2 * this.buffer.length);
      longer.set(this.buffer);
      this.buffer = longer;
    }
    this.buffer.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** All of them, where they lie. */
  get bytes(): Buffer {
    return this.buffer.subarray(0, this.length);
  }
}
