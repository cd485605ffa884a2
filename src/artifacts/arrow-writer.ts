/** Writes Arrow IPC files (the file format, uncompressed) row by row in constant memory; equal rows give equal bytes. */
import { open } from "node:fs/promises";
import { Field, makeData, RecordBatch, RecordBatchFileWriter, Schema, Struct } from "apache-arrow";
import { canonicalJson, type JsonObject } from "../base/index.js";
import { ARROW_TYPES, ColumnBuilder, type Columns, type RowOf } from "./arrow-columns.js";
import { onDisk, writeFully } from "./disk.js";

/** Key of the schema metadata that holds our JSON. */
export const METADATA_KEY = "draftsmith";

export interface ArrowWriter<Row> {
  /** Await it: a full batch is written before it resolves. */
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

/** Hands the encoded pieces out instead of queueing them: the library's own streams have no back-pressure. */
class CollectingWriter extends RecordBatchFileWriter {
  #pieces: Uint8Array[] = [];

  protected override _write(chunk: ArrayBufferView | ArrayBuffer): this {
    if (!this._started) return this;
    const bytes = ArrayBuffer.isView(chunk)
      ? new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)
      : new Uint8Array(chunk);
    this.#pieces.push(bytes);
    this._position += bytes.byteLength;
    return this;
  }

  take(): Uint8Array[] {
    const pieces = this.#pieces;
    this.#pieces = [];
    return pieces;
  }
}

/**
 * @param metadata goes into the schema under "draftsmith", as canonical JSON
 * @throws DraftsmithError DISK_FULL, DISK_FAILED
 */
export async function openArrowWriter<C extends Columns>(
  path: string,
  columns: C,
  metadata: JsonObject,
  limits: BatchLimits,
): Promise<ArrowWriter<RowOf<C>>> {
  const names = Object.keys(columns);
  const fields = names.map((name) => new Field(name, ARROW_TYPES[columns[name]!](), true));
  const schema = new Schema(fields, new Map([[METADATA_KEY, canonicalJson(metadata)]]));
  const builders = names.map((name, at) => new ColumnBuilder(columns[name]!, fields[at]!.type));
  const writer = new CollectingWriter();
  writer.reset(undefined, schema);

  const handle = await onDisk(path, () => open(path, "w"));
  let rows = 0;
  let batchRows = 0;
  let bytes = 0;

  const drain = async () => {
    for (const piece of writer.take()) {
      await onDisk(path, () => writeFully(handle, piece));
      bytes += piece.byteLength;
    }
  };
  const flush = async () => {
    if (batchRows === 0) return;
    const children = builders.map((builder) => builder.finish());
    writer.write(
      new RecordBatch(schema, makeData({ type: new Struct(fields), length: batchRows, nullCount: 0, children })),
    );
    await drain();
    for (const builder of builders) builder.clear();
    batchRows = 0;
  };

  return {
    async append(row) {
      names.forEach((name, at) => {
        builders[at]!.push(row[name]!);
      });
      rows += 1;
      batchRows += 1;
      const batchBytes = builders.reduce((sum, builder) => sum + builder.bytes, 0);
      if (batchRows >= limits.batchRows || batchBytes >= limits.batchBytes) await flush();
    },
    async close() {
      try {
        await flush();
        writer.close();
        await drain();
        await onDisk(path, () => handle.sync());
      } finally {
        await handle.close();
      }
      return { rows, bytes };
    },
    discard: () => handle.close(),
  };
}
