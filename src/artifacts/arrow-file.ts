/**
 * Reads Arrow IPC files of known columns: whole batches, chosen columns of a batch, or single rows by a few small reads,
 * never the whole file. The layout comes from the format's own footer and batch headers.
 */
import { readSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { FileBlock, Footer } from "apache-arrow/ipc/metadata/file";
import type { RecordBatch as RecordBatchHeader } from "apache-arrow/ipc/metadata/message";
import { DraftsmithError, fromErrno, isJsonObject, type JsonObject } from "../base/index.js";
import {
  ARROW_TYPE_NAMES,
  BUFFER_ROLES,
  type BufferRole,
  type ColumnKind,
  type Columns,
  decodeValue,
  ELEMENT_BYTES,
  METADATA_KEY,
  type RowOf,
} from "./arrow-columns.js";
import { onDisk, readFully } from "./disk.js";

/** Where a column's buffers of one batch lie in the file. */
type Regions = Partial<Record<BufferRole, { position: number; bytes: number }>>;
export interface BatchLayout<C extends Columns> {
  rows: number;
  columns: { [K in keyof C]?: Regions };
}

const MAGIC = "ARROW1";
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

  private constructor(path: string, columns: C, handle: FileHandle, metadata: JsonObject, batches: BatchLayout<C>[]) {
    this.path = path;
    this.columns = columns;
    this.handle = handle;
    this.metadata = metadata;
    this.batches = batches;
    this.rows = batches.reduce((sum, batch) => sum + batch.rows, 0);
  }

  /**
   * @param later - columns of lists that older files lack, all of them together; there every list is empty
   * @throws DraftsmithError INPUT_MISSING, ARTIFACT_INVALID (not Arrow, cut short, other columns, nulls, compressed)
   */
  static async open<C extends Columns>(
    path: string,
    columns: C,
    later: readonly (keyof C & string)[] = [],
  ): Promise<ArrowFile<C>> {
    const handle = await onDisk(path, () => open(path, "r"));
    try {
      const footer = await readFooter(path, handle);
      const present = presentColumns(path, footer, columns, later);
      const batches: BatchLayout<C>[] = [];
      for (const block of footer.recordBatches()) batches.push(await readLayout<C>(path, handle, block, present));
      return new ArrowFile(path, columns, handle, parseMetadata(path, footer), batches);
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

  /** One row, by about two small blocking reads a column (some 3 microseconds each while the file is cached). */
  readRow(batch: number, row: number): RowOf<C> {
    const layout = this.batches[batch]!;
    const values = Object.keys(this.columns).map((name) => {
      const kind = this.columns[name]!;
      const regions = layout.columns[name];
      if (regions === undefined) return [name, decodeValue(kind, NO_BYTES, NO_OFFSETS)];
      const at = (position: number, bytes: number) => this.readSync(position, bytes);
      const data = regions.data!.position;
      if (kind === "int32") return [name, decodeValue(kind, at(data + 4 * row, 4), NO_OFFSETS)];
      const [start, end] = asInt32(at(regions.offsets!.position + 4 * row, 8));
      if (kind !== "list<utf8>") {
        const size = ELEMENT_BYTES[kind];
        return [name, decodeValue(kind, at(data + start! * size, (end! - start!) * size), NO_OFFSETS)];
      }
      if (start === end) return [name, []];
      const inner = asInt32(at(regions.innerOffsets!.position + 4 * start!, 4 * (end! - start! + 1)));
      const first = inner[0]!;
      return [name, decodeValue(kind, at(data + first, inner[inner.length - 1]! - first), inner)];
    });
    return Object.fromEntries(values) as RowOf<C>;
  }

  private async columnReader(layout: BatchLayout<C>, name: string): Promise<(row: number) => unknown> {
    const kind: ColumnKind = this.columns[name]!;
    const regions = layout.columns[name];
    if (regions === undefined) return () => decodeValue(kind, NO_BYTES, NO_OFFSETS);
    const read = async (role: BufferRole) => {
      const { position, bytes } = regions[role]!;
      return readExactly(this.path, this.handle, position, bytes);
    };
    const data = await read("data");
    if (kind === "int32") return (row) => decodeValue(kind, data.subarray(4 * row), NO_OFFSETS);
    const offsets = asInt32(await read("offsets"));
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

function asInt32(bytes: Uint8Array): Int32Array {
  return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2);
}

function damaged(path: string, why: string): DraftsmithError {
  return new DraftsmithError("ARTIFACT_INVALID", `${path} is not a usable Arrow file: ${why}`, {
    location: { file: path },
    hint: "remove the artifact's directory and run the step that makes it again",
  });
}

async function readExactly(path: string, handle: FileHandle, position: number, bytes: number): Promise<Uint8Array> {
  const target = new Uint8Array(bytes);
  const filled = await onDisk(path, () => readFully(handle, target, position));
  if (filled < bytes) throw damaged(path, "it is cut short");
  return target;
}

/** File format: magic, padding to 8, batches, footer, int32 footer length, magic. */
async function readFooter(path: string, handle: FileHandle): Promise<Footer> {
  const { size } = await onDisk(path, () => handle.stat());
  const least = 8 + 4 + MAGIC.length;
  if (size < least) throw damaged(path, "it is too short");
  const head = await readExactly(path, handle, 0, MAGIC.length);
  const tail = await readExactly(path, handle, size - 4 - MAGIC.length, 4 + MAGIC.length);
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");
  if (text(head) !== MAGIC) throw damaged(path, "it does not begin as one");
  if (text(tail.subarray(4)) !== MAGIC) throw damaged(path, "its end is missing");
  const length = new DataView(tail.buffer).getInt32(0, true);
  if (length <= 0 || length > size - least) throw damaged(path, "the length of its footer is wrong");
  const bytes = await readExactly(path, handle, size - 4 - MAGIC.length - length, length);
  // Importing the messages registers Schema's decoder; without it, reading a footer before any writing fails.
  await import("apache-arrow/ipc/metadata/message");
  const { Footer } = await import("apache-arrow/ipc/metadata/file");
  try {
    return Footer.decode(bytes);
  } catch (error) {
    throw damaged(path, `its footer cannot be read (${(error as Error).message})`);
  }
}

/** The columns that the file has: all of them, or all but the later ones. */
function presentColumns(path: string, footer: Footer, columns: Columns, later: readonly string[]): Columns {
  const found = footer.schema.fields.map((field) => `${field.name}: ${String(field.type)}`).join("; ");
  const older = Object.fromEntries(Object.entries(columns).filter(([name]) => !later.includes(name)));
  const present = [columns, older].find((choice) => spelled(choice) === found);
  if (present === undefined) throw damaged(path, `its columns are [${found}], not [${spelled(columns)}]`);
  return present;
}

function spelled(columns: Columns): string {
  return Object.entries(columns)
    .map(([name, kind]) => `${name}: ${ARROW_TYPE_NAMES[kind]}`)
    .join("; ");
}

function parseMetadata(path: string, footer: Footer): JsonObject {
  const text = footer.schema.metadata.get(METADATA_KEY);
  if (text === undefined) throw damaged(path, `its schema has no "${METADATA_KEY}" metadata`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (!isJsonObject(value)) throw damaged(path, `its "${METADATA_KEY}" metadata is no JSON object`);
  return value as JsonObject;
}

async function readLayout<C extends Columns>(
  path: string,
  handle: FileHandle,
  block: FileBlock,
  columns: Columns,
): Promise<BatchLayout<C>> {
  const metadata = await readExactly(path, handle, block.offset, block.metaDataLength);
  const { Message } = await import("apache-arrow/ipc/metadata/message");
  let header: RecordBatchHeader;
  try {
    // Eight bytes of continuation mark and length come before the flatbuffer.
    const message = Message.decode(metadata.subarray(8));
    if (!message.isRecordBatch()) throw new Error("no record batch where the footer points to one");
    header = message.header();
  } catch (error) {
    throw damaged(path, `a batch header cannot be read (${(error as Error).message})`);
  }
  if (header.compression !== null) throw damaged(path, "it is compressed");
  if (header.nodes.some((node) => node.nullCount > 0)) throw damaged(path, "it has nulls");
  const body = block.offset + block.metaDataLength;
  let next = 0;
  const regions = Object.entries(columns).map(([name, kind]) => {
    const entries = BUFFER_ROLES[kind].map((role) => {
      const region = header.buffers[next++];
      if (region === undefined) throw damaged(path, "a batch has too few buffers");
      return [role, { position: body + region.offset, bytes: region.length }];
    });
    return [name, Object.fromEntries(entries)];
  });
  return { rows: header.length, columns: Object.fromEntries(regions) as BatchLayout<C>["columns"] };
}
