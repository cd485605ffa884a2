/** Union-find over the numbers 0, 1, ...: union by size, path halving. */
export class DisjointSets {
  private parent = new Int32Array(1024);
  private size = new Int32Array(1024);
  private count = 0;

  /** Adds a set of one and returns its number. */
  add(): number {
    if (this.count === this.parent.length) {
      this.parent = grown(this.parent);
      this.size = grown(this.size);
    }
    this.parent[this.count] = this.count;
    this.size[this.count] = 1;
    this.count += 1;
    return this.count - 1;
  }

  /** The representative of the set. */
  find(member: number): number {
    const parent = this.parent;
    let at = member;
    while (parent[at] !== at) {
      parent[at] = parent[parent[at]!]!;
      at = parent[at]!;
    }
    return at;
  }

  join(a: number, b: number): void {
    const [rootA, rootB] = [this.find(a), this.find(b)];
    if (rootA === rootB) return;
    const [large, small] = this.size[rootA]! >= this.size[rootB]! ? [rootA, rootB] : [rootB, rootA];
    this.parent[small] = large;
    this.size[large]! += this.size[small]!;
  }
}

function grown(array: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(2 * array.length);
  larger.set(array);
  return larger;
}
