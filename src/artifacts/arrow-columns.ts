/**
 * The column types of our Arrow files, each with its Arrow type and its buffers in file order. No column has nulls, so
 * validity buffers are always empty; fields are still declared nullable, as pyarrow's own schemas are.
 */
import { Binary, type Data, type DataType, Field, Int8, Int32, List, makeData, Utf8 } from "apache-arrow";

export type ColumnKind = "int32" | "utf8" | "binary" | "list<int32>" | "list<int8>" | "list<utf8>";

/** What a row holds in a column of a kind. */
export interface ColumnValue {
  int32: number;
  utf8: string;
  binary: Uint8Array;
  "list<int32>": Int32Array;
  "list<int8>": Int8Array;
  "list<utf8>": string[];
}

export type Columns = Record<string, ColumnKind>;
export type RowOf<C extends Columns> = { -readonly [K in keyof C]: ColumnValue[C[K]] };

const item = (type: DataType) => new List(new Field("item", type, true));
export const ARROW_TYPES: Record<ColumnKind, () => DataType> = {
  int32: () => new Int32(),
  utf8: () => new Utf8(),
  binary: () => new Binary(),
  "list<int32>": () => item(new Int32()),
  "list<int8>": () => item(new Int8()),
  "list<utf8>": () => item(new Utf8()),
};

/** Buffers of a column in the order of the IPC format; `validity` is always empty. */
export type BufferRole = "validity" | "offsets" | "innerValidity" | "innerOffsets" | "data";
export const BUFFER_ROLES: Record<ColumnKind, readonly BufferRole[]> = {
  int32: ["validity", "data"],
  utf8: ["validity", "offsets", "data"],
  binary: ["validity", "offsets", "data"],
  "list<int32>": ["validity", "offsets", "innerValidity", "data"],
  "list<int8>": ["validity", "offsets", "innerValidity", "data"],
  "list<utf8>": ["validity", "offsets", "innerValidity", "innerOffsets", "data"],
};

/** Bytes of one element of the data buffer. */
export const ELEMENT_BYTES: Record<ColumnKind, number> = {
  int32: 4,
  utf8: 1,
  binary: 1,
  "list<int32>": 4,
  "list<int8>": 1,
  "list<utf8>": 1,
};

type Elements = Int32Array | Int8Array | Uint8Array;

/** A typed array that grows; its first `length` elements are in use. */
class Growing<T extends Elements> {
  #array: T;
  readonly #make: (length: number) => T;
  length = 0;

  constructor(make: (length: number) => T) {
    this.#make = make;
    this.#array = make(1024);
  }

  push(values: ArrayLike<number>): void {
    const needed = this.length + values.length;
    if (needed > this.#array.length) {
      const grown = this.#make(Math.max(needed, 2 * this.#array.length));
      grown.set(this.#array.subarray(0, this.length));
      this.#array = grown;
    }
    this.#array.set(values, this.length);
    this.length = needed;
  }

  /** The elements in use, sharing memory: valid until the next push after `clear`. */
  view(): T {
    return this.#array.subarray(0, this.length) as T;
  }

  clear(): void {
    this.length = 0;
  }
}

/** Collects the values of one column for one record batch, in typed arrays (Arrow's Builders are 40 times slower). */
export class ColumnBuilder {
  readonly #kind: ColumnKind;
  readonly #type: DataType;
  readonly #data: Growing<Elements>;
  readonly #offsets = new Growing((length) => new Int32Array(length));
  readonly #innerOffsets = new Growing((length) => new Int32Array(length));
  #rows = 0;

  constructor(kind: ColumnKind, type: DataType) {
    this.#kind = kind;
    this.#type = type;
    const make: Record<number, (length: number) => Elements> = {
      4: (length) => new Int32Array(length),
      1: kind === "list<int8>" ? (length) => new Int8Array(length) : (length) => new Uint8Array(length),
    };
    this.#data = new Growing(make[ELEMENT_BYTES[kind]]!);
    this.clear();
  }

  push(value: ColumnValue[ColumnKind]): void {
    this.#rows += 1;
    if (typeof value === "number") {
      this.#data.push([value]);
      return;
    }
    if (Array.isArray(value)) {
      for (const text of value) {
        this.#data.push(Buffer.from(text));
        this.#innerOffsets.push([this.#data.length]);
      }
      this.#offsets.push([this.#innerOffsets.length - 1]);
      return;
    }
    this.#data.push(typeof value === "string" ? Buffer.from(value) : value);
    this.#offsets.push([this.#data.length]);
  }

  get bytes(): number {
    return this.#data.length * ELEMENT_BYTES[this.#kind];
  }

  /** The batch's column, sharing memory with the builder: write it out before `clear`. */
  finish(): Data {
    const { nullCount, length } = { nullCount: 0, length: this.#rows };
    const data = this.#data.view();
    if (this.#kind === "int32") return makeData({ type: new Int32(), length, nullCount, data: data as Int32Array });
    const valueOffsets = this.#offsets.view();
    if (this.#kind === "utf8") return makeData({ type: new Utf8(), length, nullCount, valueOffsets, data });
    if (this.#kind === "binary") return makeData({ type: new Binary(), length, nullCount, valueOffsets, data });
    const list = { type: this.#type as List, length, nullCount, valueOffsets };
    return makeData({ ...list, child: this.#child(data) });
  }

  #child(data: Elements): Data {
    if (this.#kind === "list<int32>") {
      return makeData({ type: new Int32(), length: data.length, nullCount: 0, data: data as Int32Array });
    }
    if (this.#kind === "list<int8>") {
      return makeData({ type: new Int8(), length: data.length, nullCount: 0, data: data as Int8Array });
    }
    const valueOffsets = this.#innerOffsets.view();
    return makeData({ type: new Utf8(), length: valueOffsets.length - 1, nullCount: 0, valueOffsets, data });
  }

  clear(): void {
    this.#rows = 0;
    this.#data.clear();
    for (const offsets of [this.#offsets, this.#innerOffsets]) {
      offsets.clear();
      offsets.push([0]);
    }
  }
}

/** The value of a row from its slice of the data buffer (and, for lists of text, where each text ends in it). */
export function decodeValue(kind: ColumnKind, bytes: Uint8Array, inner: Int32Array): ColumnValue[ColumnKind] {
  const { buffer, byteOffset, byteLength } = bytes;
  switch (kind) {
    case "int32":
      return new DataView(buffer, byteOffset, 4).getInt32(0, true);
    case "utf8":
      return Buffer.from(buffer, byteOffset, byteLength).toString("utf8");
    case "binary":
      return bytes;
    case "list<int8>":
      return new Int8Array(buffer, byteOffset, byteLength);
    case "list<int32>":
      return byteOffset % 4 === 0
        ? new Int32Array(buffer, byteOffset, byteLength / 4)
        : new Int32Array(bytes.slice().buffer, 0, byteLength / 4);
    case "list<utf8>": {
      const text = Buffer.from(buffer, byteOffset, byteLength);
      const first = inner[0] ?? 0;
      return Array.from({ length: Math.max(0, inner.length - 1) }, (_, k) =>
        text.toString("utf8", inner[k]! - first, inner[k + 1]! - first),
      );
    }
  }
}
