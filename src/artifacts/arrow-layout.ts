/**
 * The layout of an Arrow IPC file of known columns: its footer, and where the buffers of every batch lie. Everything is
 * checked before a row is read, so that damage is named when the file is opened.
 */
import type { FileHandle } from "node:fs/promises";
import type { FileBlock, Footer } from "apache-arrow/ipc/metadata/file";
import type { RecordBatch as RecordBatchHeader } from "apache-arrow/ipc/metadata/message";
import { DraftsmithError, isJsonObject, type JsonObject } from "../base/index.js";
import {
  ARROW_TYPE_NAMES,
  BUFFER_ROLES,
  type BufferRole,
  type ColumnKind,
  type Columns,
  ELEMENT_BYTES,
  METADATA_KEY,
} from "./arrow-columns.js";
import { onDisk, readFully } from "./disk.js";

export interface Region {
  position: number;
  bytes: number;
}

/** Where a column's buffers of one batch lie in the file. */
export type Regions = Partial<Record<BufferRole, Region>>;

export interface BatchLayout<C extends Columns> {
  rows: number;
  columns: { [K in keyof C]?: Regions };
}

export interface FileLayout<C extends Columns> {
  metadata: JsonObject;
  batches: BatchLayout<C>[];
}

/** Offset buffers with the role of what they divide, and the size of its elements in bytes. */
interface Division {
  offsets: BufferRole;
  into: BufferRole;
  size: number;
  /** `into` holds offsets itself, one more than there are elements. */
  isInner: boolean;
}

const MAGIC = "ARROW1";

/**
 * @param later - columns of lists that older files lack, all of them together
 * @throws DraftsmithError ARTIFACT_INVALID (not Arrow, cut short, other columns, nulls, compressed, offsets that lead
 * out of their buffers)
 */
export async function readFileLayout<C extends Columns>(
  path: string,
  handle: FileHandle,
  columns: C,
  later: readonly string[],
): Promise<FileLayout<C>> {
  return decoding(path, async () => {
    const footer = await readFooter(path, handle);
    const present = presentColumns(path, footer, columns, later);
    const metadata = parseMetadata(path, footer);
    const { size } = await onDisk(path, () => handle.stat());
    const batches: BatchLayout<C>[] = [];
    for (const block of footer.recordBatches()) {
      const layout = await readLayout<C>(path, handle, block, present, size);
      await checkLayout(path, handle, layout, present, batches.length);
      batches.push(layout);
    }
    return { metadata, batches };
  });
}

/** The names of a file's columns. Errors as readFileLayout. */
export function readColumnNames(path: string, handle: FileHandle): Promise<string[]> {
  return decoding(path, async () => (await readFooter(path, handle)).schema.fields.map(({ name }) => String(name)));
}

/** The library decodes damaged flatbuffers lazily and fails in many ways. */
async function decoding<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DraftsmithError) throw error;
    throw damaged(path, `its structure cannot be read (${(error as Error).message})`);
  }
}

export function damaged(path: string, why: string): DraftsmithError {
  return new DraftsmithError("ARTIFACT_INVALID", `${path} is not a usable Arrow file: ${why}`, {
    location: { file: path },
    hint: "remove the artifact's directory and run the step that makes it again",
  });
}

export async function readExactly(path: string, handle: FileHandle, { position, bytes }: Region): Promise<Uint8Array> {
  const target = new Uint8Array(bytes);
  const filled = await onDisk(path, () => readFully(handle, target, position));
  if (filled < bytes) throw damaged(path, "it is cut short");
  return target;
}

export function asInt32(bytes: Uint8Array): Int32Array {
  return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2);
}

/** File format: magic, padding to 8, batches, footer, int32 footer length, magic. */
async function readFooter(path: string, handle: FileHandle): Promise<Footer> {
  const { size } = await onDisk(path, () => handle.stat());
  const least = 8 + 4 + MAGIC.length;
  if (size < least) throw damaged(path, "it is too short");
  const head = await readExactly(path, handle, { position: 0, bytes: MAGIC.length });
  const tail = await readExactly(path, handle, { position: size - 4 - MAGIC.length, bytes: 4 + MAGIC.length });
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("latin1");
  if (text(head) !== MAGIC) throw damaged(path, "it does not begin as one");
  if (text(tail.subarray(4)) !== MAGIC) throw damaged(path, "its end is missing");
  const length = new DataView(tail.buffer).getInt32(0, true);
  if (length <= 0 || length > size - least) throw damaged(path, "the length of its footer is wrong");
  const bytes = await readExactly(path, handle, { position: size - 4 - MAGIC.length - length, bytes: length });
  // Importing the messages registers Schema's decoder; without it, reading a footer before any writing fails.
  await import("apache-arrow/ipc/metadata/message");
  const { Footer } = await import("apache-arrow/ipc/metadata/file");
  return Footer.decode(bytes);
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
  size: number,
): Promise<BatchLayout<C>> {
  const { offset, metaDataLength, bodyLength } = block;
  if ([offset, metaDataLength, bodyLength].some((n) => n < 0) || offset + metaDataLength + bodyLength > size) {
    throw damaged(path, "its footer points behind its end");
  }
  const metadata = await readExactly(path, handle, { position: offset, bytes: metaDataLength });
  const { Message } = await import("apache-arrow/ipc/metadata/message");
  // Eight bytes of continuation mark and length come before the flatbuffer.
  const message = Message.decode(metadata.subarray(8));
  if (!message.isRecordBatch()) throw damaged(path, "no record batch is where the footer points to one");
  const header: RecordBatchHeader = message.header();
  if (header.compression !== null) throw damaged(path, "it is compressed");
  if (header.nodes.some((node) => node.nullCount > 0)) throw damaged(path, "it has nulls");
  let next = 0;
  const regions = Object.entries(columns).map(([name, kind]) => {
    const entries = BUFFER_ROLES[kind].map((role) => {
      const region = header.buffers[next++];
      if (region === undefined) throw damaged(path, "a batch has too few buffers");
      if (region.offset < 0 || region.length < 0 || region.offset + region.length > bodyLength) {
        throw damaged(path, `a buffer of the column ${name} leads out of its batch`);
      }
      return [role, { position: offset + metaDataLength + region.offset, bytes: region.length }];
    });
    return [name, Object.fromEntries(entries)];
  });
  return { rows: header.length, columns: Object.fromEntries(regions) as BatchLayout<C>["columns"] };
}

/** Buffers are as long as the rows need, and offsets neither fall nor lead out of what they divide. */
async function checkLayout(
  path: string,
  handle: FileHandle,
  layout: BatchLayout<Columns>,
  columns: Columns,
  batch: number,
): Promise<void> {
  for (const [name, kind] of Object.entries(columns)) {
    const regions = layout.columns[name]!;
    const fail = (): never => {
      throw damaged(path, `the column ${name} of its batch ${batch} does not fit its ${layout.rows} rows`);
    };
    if (layout.rows < 0) fail();
    if (kind === "int32" && regions.data!.bytes < 4 * layout.rows) fail();
    let elements = layout.rows;
    for (const { offsets, into, size, isInner } of divisionsOf(kind)) {
      const region = regions[offsets]!;
      if (elements === 0 && region.bytes === 0) continue;
      if (region.bytes < 4 * (elements + 1)) fail();
      const values = asInt32(await readExactly(path, handle, { ...region, bytes: 4 * (elements + 1) }));
      let last = 0;
      for (const value of values) {
        if (value < last) fail();
        last = value;
      }
      if (isInner) elements = last;
      else if (last * size > regions[into]!.bytes) fail();
    }
  }
}

function divisionsOf(kind: ColumnKind): Division[] {
  const data: Division = { offsets: "offsets", into: "data", size: ELEMENT_BYTES[kind], isInner: false };
  switch (kind) {
    case "int32":
      return [];
    case "image":
      return [data, { offsets: "pathOffsets", into: "path", size: 1, isInner: false }];
    case "list<utf8>":
      return [
        { offsets: "offsets", into: "innerOffsets", size: 4, isInner: true },
        { offsets: "innerOffsets", into: "data", size: 1, isInner: false },
      ];
    default:
      return [data];
  }
}
