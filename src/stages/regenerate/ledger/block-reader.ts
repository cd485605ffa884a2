/** Random reads that are nearly sequential: whole blocks, the most recent ones cached. */
import { type FileHandle, open } from "node:fs/promises";
import { readFully } from "../../../artifacts/index.js";
import { fromErrno } from "../../../base/index.js";

const BLOCK_BYTES = 1 << 20;
/** Dialogues end in another order than they begin in, by about as many as are in flight. */
const KEPT_BLOCKS = 24;

export class BlockReader {
  /** A promise, so that concurrent readers share one handle. */
  private handle: Promise<FileHandle> | undefined;
  private readonly blocks = new Map<number, Promise<Buffer>>();

  constructor(private readonly path: string) {}

  /** @throws DraftsmithError DISK_FAILED, INPUT_MISSING. The range must lie within the file. */
  async read(offset: number, bytes: number): Promise<Buffer> {
    const first = Math.floor(offset / BLOCK_BYTES);
    const last = Math.floor((offset + bytes - 1) / BLOCK_BYTES);
    const parts: Buffer[] = [];
    for (let index = first; index <= last; index += 1) {
      const block = await this.block(index);
      const start = Math.max(0, offset - index * BLOCK_BYTES);
      parts.push(block.subarray(start, offset + bytes - index * BLOCK_BYTES));
    }
    const whole = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    if (whole.length !== bytes) throw new Error(`${this.path} became shorter while it was in use`);
    return whole;
  }

  /** Drops the cached blocks: the file may have grown. */
  forget(): void {
    this.blocks.clear();
  }

  async close(): Promise<void> {
    const { handle } = this;
    this.handle = undefined;
    this.forget();
    await (await handle)?.close();
  }

  private block(index: number): Promise<Buffer> {
    const known = this.blocks.get(index);
    if (known !== undefined) {
      this.blocks.delete(index);
      this.blocks.set(index, known);
      return known;
    }
    const loading = this.load(index);
    this.blocks.set(index, loading);
    for (const oldest of this.blocks.keys()) {
      if (this.blocks.size <= KEPT_BLOCKS) break;
      this.blocks.delete(oldest);
    }
    return loading;
  }

  private async load(index: number): Promise<Buffer> {
    try {
      this.handle ??= open(this.path, "r");
      const handle = await this.handle;
      const block = Buffer.allocUnsafe(BLOCK_BYTES);
      return block.subarray(0, await readFully(handle, block, index * BLOCK_BYTES));
    } catch (error) {
      throw fromErrno(error, this.path);
    }
  }
}
