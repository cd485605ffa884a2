/** Writing line-delimited JSON through one large buffer, with back-pressure. */
import { type FileHandle, open } from "node:fs/promises";
import { stringifyJson } from "../base/index.js";
import { onDisk, writeFully } from "./disk.js";

const FLUSH_BYTES = 1 << 20;

export interface JsonlWriter {
  /** Adds one line. Await it: this is how a full buffer slows down the producer. */
  write(value: unknown): Promise<void>;
  /** Flushes, syncs and closes. Returns what was written. */
  close(): Promise<{ lines: number; bytes: number }>;
  /** Closes without flushing, after an error. */
  discard(): Promise<void>;
}

/**
 * Creates or truncates `path`. Values are written with `stringifyJson`: member order is the caller's, so equal input
 * gives equal bytes.
 * @throws DraftsmithError DISK_FULL, DISK_FAILED
 */
export async function openJsonlWriter(path: string): Promise<JsonlWriter> {
  return new BufferedJsonlWriter(path, await onDisk(path, () => open(path, "w"), "write"));
}

class BufferedJsonlWriter implements JsonlWriter {
  private readonly path: string;
  private readonly handle: FileHandle;
  private pending: string[] = [];
  private pendingLength = 0;
  private lines = 0;
  private bytes = 0;
  /** Flushes are serialised, whoever requests them. */
  private tail: Promise<void> = Promise.resolve();

  constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.handle = handle;
  }

  write(value: unknown): Promise<void> {
    const text = `${stringifyJson(value)}\n`;
    this.pending.push(text);
    this.pendingLength += text.length;
    this.lines += 1;
    return this.pendingLength >= FLUSH_BYTES ? this.flush() : Promise.resolve();
  }

  async close(): Promise<{ lines: number; bytes: number }> {
    try {
      await this.flush();
      await onDisk(this.path, () => this.handle.sync());
    } finally {
      await this.handle.close();
    }
    return { lines: this.lines, bytes: this.bytes };
  }

  async discard(): Promise<void> {
    await this.tail.catch(() => undefined);
    await this.handle.close();
  }

  private flush(): Promise<void> {
    const bytes = Buffer.from(this.pending.join(""));
    this.pending = [];
    this.pendingLength = 0;
    const previous = this.tail;
    this.tail = (async () => {
      await previous;
      await onDisk(this.path, () => writeFully(this.handle, bytes));
      this.bytes += bytes.length;
    })();
    return this.tail;
  }
}
