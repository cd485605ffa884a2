/** From rows to the bytes of an Arrow IPC file. The one module that loads apache-arrow's main entry; load it lazily. */
import {
  Binary,
  type Data,
  type DataType,
  Field,
  Int8,
  Int32,
  List,
  makeData,
  RecordBatch,
  RecordBatchFileWriter,
  Schema,
  Struct,
  Utf8,
} from "apache-arrow";
import {
  type ColumnKind,
  type Columns,
  type ColumnValue,
  ELEMENT_BYTES,
  type EncodedFile,
  METADATA_KEY,
  type RowOf,
  type SlicedKind,
} from "./arrow-columns.js";
import { FEATURES_KEY, featuresText } from "./arrow-features.js";

const item = (type: DataType) => new List(new Field("item", type, true));
const ARROW_TYPES: Record<ColumnKind, () => DataType> = {
  int32: () => new Int32(),
  utf8: () => new Utf8(),
  binary: () => new Binary(),
  image: () => new Struct([new Field("bytes", new Binary(), true), new Field("path", new Utf8(), true)]),
  "list<int32>": () => item(new Int32()),
  "list<int8>": () => item(new Int8()),
  "list<utf8>": () => item(new Utf8()),
};

/** Passes the encoded chunks on instead of queueing them: the library's own streams have no back-pressure. */
class CollectingWriter extends RecordBatchFileWriter {
  private pieces: Uint8Array[] = [];

  protected override _write(chunk: ArrayBufferView | ArrayBuffer): this {
    if (!this._started) return this;
    const bytes = ArrayBuffer.isView(chunk)
      ? new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)
      : new Uint8Array(chunk);
    this.pieces.push(bytes);
    this._position += bytes.byteLength;
    return this;
  }

  take(): Uint8Array[] {
    const pieces = this.pieces;
    this.pieces = [];
    return pieces;
  }
}

type Elements = Int32Array | Int8Array | Uint8Array;

/** A typed array that grows; its first `length` elements are in use. */
class Growing<T extends Elements> {
  private array: T;
  private readonly make: (length: number) => T;
  length = 0;

  constructor(make: (length: number) => T) {
    this.make = make;
    this.array = make(1024);
  }

  push(values: ArrayLike<number>): void {
    const needed = this.length + values.length;
    if (needed > this.array.length) {
      const grown = this.make(Math.max(needed, 2 * this.array.length));
      grown.set(this.array.subarray(0, this.length));
      this.array = grown;
    }
    this.array.set(values, this.length);
    this.length = needed;
  }

  /** The elements in use, sharing memory: valid until the next push after `clear`. */
  view(): T {
    return this.array.subarray(0, this.length) as T;
  }

  clear(): void {
    this.length = 0;
  }
}

/** Collects the values of one column for one record batch, in typed arrays (Arrow's Builders are 40 times slower). */
interface ColumnBuilder<Value> {
  readonly bytes: number;
  push(value: Value): void;
  /** The batch's column, sharing memory with the builder: write it out before `clear`. */
  finish(): Data;
  clear(): void;
}

class SlicedBuilder implements ColumnBuilder<ColumnValue[SlicedKind]> {
  private readonly kind: SlicedKind;
  private readonly type: DataType;
  private readonly data: Growing<Elements>;
  private readonly offsets = new Growing((length) => new Int32Array(length));
  private readonly innerOffsets = new Growing((length) => new Int32Array(length));
  private rows = 0;

  constructor(kind: SlicedKind, type: DataType) {
    this.kind = kind;
    this.type = type;
    const make: Record<number, (length: number) => Elements> = {
      4: (length) => new Int32Array(length),
      1: kind === "list<int8>" ? (length) => new Int8Array(length) : (length) => new Uint8Array(length),
    };
    this.data = new Growing(make[ELEMENT_BYTES[kind]]!);
    this.clear();
  }

  push(value: ColumnValue[SlicedKind]): void {
    this.rows += 1;
    if (typeof value === "number") {
      this.data.push([value]);
      return;
    }
    if (Array.isArray(value)) {
      for (const text of value) {
        this.data.push(Buffer.from(text));
        this.innerOffsets.push([this.data.length]);
      }
      this.offsets.push([this.innerOffsets.length - 1]);
      return;
    }
    this.data.push(typeof value === "string" ? Buffer.from(value) : value);
    this.offsets.push([this.data.length]);
  }

  get bytes(): number {
    return this.data.length * ELEMENT_BYTES[this.kind];
  }

  finish(): Data {
    const { nullCount, length } = { nullCount: 0, length: this.rows };
    const data = this.data.view();
    if (this.kind === "int32") return makeData({ type: new Int32(), length, nullCount, data: data as Int32Array });
    const valueOffsets = this.offsets.view();
    if (this.kind === "utf8") return makeData({ type: new Utf8(), length, nullCount, valueOffsets, data });
    if (this.kind === "binary") return makeData({ type: new Binary(), length, nullCount, valueOffsets, data });
    const list = { type: this.type as List, length, nullCount, valueOffsets };
    return makeData({ ...list, child: this.child(data) });
  }

  private child(data: Elements): Data {
    if (this.kind === "list<int32>") {
      return makeData({ type: new Int32(), length: data.length, nullCount: 0, data: data as Int32Array });
    }
    if (this.kind === "list<int8>") {
      return makeData({ type: new Int8(), length: data.length, nullCount: 0, data: data as Int8Array });
    }
    const valueOffsets = this.innerOffsets.view();
    return makeData({ type: new Utf8(), length: valueOffsets.length - 1, nullCount: 0, valueOffsets, data });
  }

  clear(): void {
    this.rows = 0;
    this.data.clear();
    for (const offsets of [this.offsets, this.innerOffsets]) {
      offsets.clear();
      offsets.push([0]);
    }
  }
}

class ImageBuilder implements ColumnBuilder<EncodedFile> {
  private readonly files = new SlicedBuilder("binary", new Binary());
  private readonly paths = new SlicedBuilder("utf8", new Utf8());
  private rows = 0;

  constructor(private readonly type: DataType) {}

  get bytes(): number {
    return this.files.bytes + this.paths.bytes;
  }

  push({ bytes, path }: EncodedFile): void {
    this.files.push(bytes);
    this.paths.push(path);
    this.rows += 1;
  }

  finish(): Data {
    const children = [this.files.finish(), this.paths.finish()];
    return makeData({ type: this.type as Struct, length: this.rows, nullCount: 0, children });
  }

  clear(): void {
    this.rows = 0;
    this.files.clear();
    this.paths.clear();
  }
}

function builderOf(kind: ColumnKind, type: DataType): ColumnBuilder<ColumnValue[ColumnKind]> {
  const builder = kind === "image" ? new ImageBuilder(type) : new SlicedBuilder(kind, type);
  // A column's rows hold the values of its kind: RowOf guarantees it to those who push.
  return builder as ColumnBuilder<ColumnValue[ColumnKind]>;
}

/**
 * Collects rows and encodes them batch by batch. The chunks of a batch share memory with it until the batch after the
 * next is encoded: one can be written while the next is collected.
 */
export class BatchEncoder<C extends Columns> {
  private readonly names: string[];
  private readonly fields: Field[];
  private readonly schema: Schema;
  private builders: ColumnBuilder<ColumnValue[ColumnKind]>[];
  /** Those of the batch before, whose chunks may still be on their way. */
  private spare: ColumnBuilder<ColumnValue[ColumnKind]>[];
  private readonly writer = new CollectingWriter();
  rows = 0;

  constructor(columns: C, metadata: string) {
    this.names = Object.keys(columns);
    this.fields = this.names.map((name) => new Field(name, ARROW_TYPES[columns[name]!](), true));
    this.schema = new Schema(
      this.fields,
      new Map([
        [METADATA_KEY, metadata],
        [FEATURES_KEY, featuresText(columns)],
      ]),
    );
    const builders = () => this.names.map((name, at) => builderOf(columns[name]!, this.fields[at]!.type));
    this.builders = builders();
    this.spare = builders();
    // Without this, a file of no batches would have no schema.
    this.writer.reset(undefined, this.schema);
  }

  get bytes(): number {
    return this.builders.reduce((sum, builder) => sum + builder.bytes, 0);
  }

  push(row: RowOf<C>): void {
    this.names.forEach((name, at) => {
      this.builders[at]!.push(row[name]!);
    });
    this.rows += 1;
  }

  /** Call it only when the chunks of the batch before are written. */
  encodeBatch(): Uint8Array[] {
    const children = this.builders.map((builder) => builder.finish());
    const data = makeData({ type: new Struct(this.fields), length: this.rows, nullCount: 0, children });
    this.writer.write(new RecordBatch(this.schema, data));
    [this.builders, this.spare] = [this.spare, this.builders];
    for (const builder of this.builders) builder.clear();
    this.rows = 0;
    return this.writer.take();
  }

  /** The footer. */
  encodeEnd(): Uint8Array[] {
    this.writer.close();
    return this.writer.take();
  }
}
