/**
 * Reads Arrow IPC files of known columns: whole batches, chosen columns of a batch, or single rows by a few small reads,
 * never the whole file. The layout comes from the format's own footer and batch headers.
 */
import { readSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { fromErrno, type JsonObject } from "../base/index.js";
import {
  type BufferRole,
  type ColumnKind,
  type Columns,
  decodeValue,
  ELEMENT_BYTES,
  type RowOf,
  type SlicedKind,
} from "./arrow-columns.js";
import {
  asInt32,
  type BatchLayout,
  damaged,
  type FileLayout,
  readColumnNames,
  readExactly,
  readFileLayout,
} from "./arrow-layout.js";
import { onDisk } from "./disk.js";

const NO_OFFSETS = new Int32Array(1);
const NO_BYTES = new Uint8Array(0);

export class ArrowFile<C extends Columns> {
  readonly path: string;
  readonly columns: C;
  /** The JSON under "draftsmith" in the schema's metadata. */
  readonly metadata: JsonObject;
  readonly batches: readonly BatchLayout<C>[];
  readonly rows: number;
  private readonly handle: FileHandle;

  private constructor(path: string, columns: C, handle: FileHandle, { metadata, batches }: FileLayout<C>) {
    this.path = path;
    this.columns = columns;
    this.handle = handle;
    this.metadata = metadata;
    this.batches = batches;
    this.rows = batches.reduce((sum, batch) => sum + batch.rows, 0);
  }

  /**
   * Opens the file and checks that every batch is whole; the values themselves are checked by the manifest's hashes.
   *
   * @param later - columns of lists that older files lack, all of them together; there every list is empty
   * @throws DraftsmithError INPUT_MISSING, ARTIFACT_INVALID as readFileLayout
   */
  static async open<C extends Columns>(
    path: string,
    columns: C,
    later: readonly (keyof C & string)[] = [],
  ): Promise<ArrowFile<C>> {
    const handle = await onDisk(path, () => open(path, "r"));
    try {
      return new ArrowFile(path, columns, handle, await readFileLayout(path, handle, columns, later));
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  close(): Promise<void> {
    return this.handle.close();
  }

  /** All rows of a batch, with only the columns asked for. */
  async readBatch<K extends keyof C & string>(batch: number, names: readonly K[]): Promise<Pick<RowOf<C>, K>[]> {
    const layout = this.batches[batch]!;
    const readers = await Promise.all(names.map((name) => this.columnReader(layout, name)));
    return Array.from({ length: layout.rows }, (_, row) =>
      Object.fromEntries(names.map((name, at) => [name, readers[at]!(row)])),
    ) as Pick<RowOf<C>, K>[];
  }

  /** Every row in order; memory holds one batch. */
  async *readRows(): AsyncGenerator<RowOf<C>> {
    const names = Object.keys(this.columns);
    for (let batch = 0; batch < this.batches.length; batch += 1) {
      yield* (await this.readBatch(batch, names)) as RowOf<C>[];
    }
  }

  /** The number of elements in each row of a list column, without reading the elements. */
  async readLengths(batch: number, name: keyof C & string): Promise<Int32Array> {
    const { rows, columns } = this.batches[batch]!;
    const regions = columns[name];
    if (regions === undefined || rows === 0) return new Int32Array(rows);
    const offsets = asInt32(await readExactly(this.path, this.handle, regions.offsets!));
    return Int32Array.from({ length: rows }, (_, row) => offsets[row + 1]! - offsets[row]!);
  }

  /** One row, by about two small blocking reads a column (some 3 microseconds each while the file is cached). */
  readRow(batch: number, row: number): RowOf<C> {
    const layout = this.batches[batch]!;
    const values = Object.keys(this.columns).map((name) => {
      const kind = this.columns[name]!;
      const regions = layout.columns[name];
      if (regions === undefined) return [name, absent(kind)];
      const at = (role: BufferRole, start: number, bytes: number) =>
        this.readSync(regions[role]!.position + start, bytes);
      if (kind === "int32") return [name, decodeValue(kind, at("data", 4 * row, 4), NO_OFFSETS)];
      const [start, end] = asInt32(at("offsets", 4 * row, 8));
      if (kind === "image") {
        const [pathStart, pathEnd] = asInt32(at("pathOffsets", 4 * row, 8));
        const path = Buffer.from(at("path", pathStart!, pathEnd! - pathStart!)).toString("utf8");
        return [name, { bytes: at("data", start!, end! - start!), path }];
      }
      if (kind !== "list<utf8>") {
        const size = ELEMENT_BYTES[kind];
        return [name, decodeValue(kind, at("data", start! * size, (end! - start!) * size), NO_OFFSETS)];
      }
      if (start === end) return [name, []];
      const inner = asInt32(at("innerOffsets", 4 * start!, 4 * (end! - start! + 1)));
      const first = inner[0]!;
      return [name, decodeValue(kind, at("data", first, inner[inner.length - 1]! - first), inner)];
    });
    return Object.fromEntries(values) as RowOf<C>;
  }

  private async columnReader(layout: BatchLayout<C>, name: string): Promise<(row: number) => unknown> {
    const kind: ColumnKind = this.columns[name]!;
    const regions = layout.columns[name];
    if (regions === undefined) return () => absent(kind);
    const read = (role: BufferRole) => readExactly(this.path, this.handle, regions[role]!);
    const data = await read("data");
    if (kind === "int32") return (row) => decodeValue(kind, data.subarray(4 * row), NO_OFFSETS);
    const offsets = asInt32(await read("offsets"));
    if (kind === "image") {
      const paths = Buffer.from(await read("path"));
      const pathOffsets = asInt32(await read("pathOffsets"));
      return (row) => ({
        bytes: data.subarray(offsets[row]!, offsets[row + 1]!),
        path: paths.toString("utf8", pathOffsets[row]!, pathOffsets[row + 1]!),
      });
    }
    const size = ELEMENT_BYTES[kind];
    if (kind !== "list<utf8>") {
      return (row) => decodeValue(kind, data.subarray(offsets[row]! * size, offsets[row + 1]! * size), NO_OFFSETS);
    }
    const innerOffsets = asInt32(await read("innerOffsets"));
    return (row) => {
      const inner = innerOffsets.subarray(offsets[row], offsets[row + 1]! + 1);
      if (inner.length < 2) return [];
      return decodeValue(kind, data.subarray(inner[0], inner[inner.length - 1]), inner);
    };
  }

  private readSync(position: number, bytes: number): Uint8Array {
    const target = new Uint8Array(bytes);
    let at = 0;
    while (at < bytes) {
      let got: number;
      try {
        got = readSync(this.handle.fd, target, at, bytes - at, position + at);
      } catch (error) {
        throw fromErrno(error, this.path);
      }
      if (got === 0) throw damaged(this.path, "it is cut short");
      at += got;
    }
    return target;
  }
}

/** The names of a file's columns. @throws DraftsmithError INPUT_MISSING, ARTIFACT_INVALID */
export async function columnNamesOf(path: string): Promise<string[]> {
  const handle = await onDisk(path, () => open(path, "r"));
  try {
    return await readColumnNames(path, handle);
  } finally {
    await handle.close();
  }
}

/** The value of a column that older files lack; only columns of lists were added. */
function absent(kind: ColumnKind): unknown {
  return kind === "image"
    ? { bytes: NO_BYTES, path: "" }
    : decodeValue(kind satisfies SlicedKind, NO_BYTES, NO_OFFSETS);
}
