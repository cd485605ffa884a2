/**
 * The column types of our Arrow files, each with its Arrow type and its buffers in file order. No column has nulls, so
 * validity buffers are always empty; fields are still declared nullable, as pyarrow's own schemas are.
 */
/** Key of the schema metadata that holds our JSON. */
export const METADATA_KEY = "draftsmith";

/** `image` is the struct in which the library `datasets` keeps an encoded image: its bytes and a file name. */
export type ColumnKind = "int32" | "utf8" | "binary" | "image" | "list<int32>" | "list<int8>" | "list<utf8>";

export interface EncodedFile {
  bytes: Uint8Array;
  path: string;
}

/** What a row holds in a column of a kind. */
export interface ColumnValue {
  int32: number;
  utf8: string;
  binary: Uint8Array;
  image: EncodedFile;
  "list<int32>": Int32Array;
  "list<int8>": Int8Array;
  "list<utf8>": string[];
}

export type Columns = Record<string, ColumnKind>;
export type RowOf<C extends Columns> = { -readonly [K in keyof C]: ColumnValue[C[K]] };

/** How Arrow spells the type of a column. */
export const ARROW_TYPE_NAMES: Record<ColumnKind, string> = {
  int32: "Int32",
  utf8: "Utf8",
  binary: "Binary",
  image: "Struct<{bytes:Binary, path:Utf8}>",
  "list<int32>": "List<Int32>",
  "list<int8>": "List<Int8>",
  "list<utf8>": "List<Utf8>",
};

/** Buffers of a column in the order of the IPC format; `validity` is always empty. */
export type BufferRole =
  | "validity"
  | "offsets"
  | "innerValidity"
  | "innerOffsets"
  | "data"
  | "pathValidity"
  | "pathOffsets"
  | "path";
export const BUFFER_ROLES: Record<ColumnKind, readonly BufferRole[]> = {
  int32: ["validity", "data"],
  utf8: ["validity", "offsets", "data"],
  binary: ["validity", "offsets", "data"],
  image: ["validity", "innerValidity", "offsets", "data", "pathValidity", "pathOffsets", "path"],
  "list<int32>": ["validity", "offsets", "innerValidity", "data"],
  "list<int8>": ["validity", "offsets", "innerValidity", "data"],
  "list<utf8>": ["validity", "offsets", "innerValidity", "innerOffsets", "data"],
};

/** Bytes of one element of the data buffer. */
export const ELEMENT_BYTES: Record<ColumnKind, number> = {
  int32: 4,
  utf8: 1,
  binary: 1,
  image: 1,
  "list<int32>": 4,
  "list<int8>": 1,
  "list<utf8>": 1,
};

/** Kinds whose value is one slice of the data buffer, with offsets inside it for a list of text. */
export type SlicedKind = Exclude<ColumnKind, "image">;

/** The value of a row from its slice of the data buffer (and, for lists of text, where each text ends in it). */
export function decodeValue(kind: SlicedKind, bytes: Uint8Array, inner: Int32Array): ColumnValue[SlicedKind] {
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
