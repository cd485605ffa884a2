/** Writes Arrow IPC files (the file format, uncompressed) row by row in constant memory; equal rows give equal bytes. */
import { open } from "node:fs/promises";
import { canonicalJson, type JsonObject } from "../base/index.js";
import type { Columns, RowOf } from "./arrow-columns.js";
import { onDisk, writeFully } from "./disk.js";

export interface ArrowWriter<Row> {
  /** Await it: it resolves when the batch before the last full one is written, so that memory holds two. */
  append(row: Row): Promise<void>;
  /** Writes the rest and the footer, syncs and closes. */
  close(): Promise<{ rows: number; bytes: number }>;
  /** Closes the unfinished file, after an error. */
  discard(): Promise<void>;
}

export interface BatchLimits {
  /** A batch ends with the row that reaches either limit. */
  batchRows: number;
  batchBytes: number;
}

/**
 * @param metadata goes into the schema under "draftsmith", as canonical JSON; beside it stand the columns' `datasets` features
 * @throws DraftsmithError DISK_FULL, DISK_FAILED
 */
export async function openArrowWriter<C extends Columns>(
  path: string,
  columns: C,
  metadata: JsonObject,
  limits: BatchLimits,
): Promise<ArrowWriter<RowOf<C>>> {
  // Loading apache-arrow takes 0.1 s, so only writers load it.
  const { BatchEncoder } = await import("./arrow-encoder.js");
  const encoder = new BatchEncoder(columns, canonicalJson(metadata));
  const handle = await onDisk(path, () => open(path, "w"), "write");
  let rows = 0;
  let bytes = 0;
  const drain = async (pieces: Uint8Array[]) => {
    for (const piece of pieces) {
      await onDisk(path, () => writeFully(handle, piece));
      bytes += piece.byteLength;
    }
  };
  let writing: Promise<void> = Promise.resolve();
  const startBatch = async () => {
    await writing;
    writing = drain(encoder.encodeBatch());
    // Whoever awaits it hears of a failure; until then it must not count as unhandled.
    writing.catch(() => undefined);
  };
  return {
    async append(row) {
      encoder.push(row);
      rows += 1;
      if (encoder.rows >= limits.batchRows || encoder.bytes >= limits.batchBytes) await startBatch();
    },
    async close() {
      try {
        if (encoder.rows > 0) await startBatch();
        await writing;
        await drain(encoder.encodeEnd());
        await onDisk(path, () => handle.sync());
      } finally {
        await handle.close();
      }
      return { rows, bytes };
    },
    async discard() {
      await writing.catch(() => undefined);
      await handle.close();
    },
  };
}
