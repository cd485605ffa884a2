/** The images of a dataset in Arrow files: each canonical PNG once, sorted by hash. */
import type { JsonObject } from "../base/index.js";
import type { Columns, RowOf } from "./arrow-columns.js";
import { ArrowFile } from "./arrow-file.js";
import { type ArrowWriter, openArrowWriter } from "./arrow-writer.js";

export const IMAGE_COLUMNS = {
  hash: "utf8",
  png: "binary",
  width: "int32",
  height: "int32",
} as const satisfies Columns;

export type StoredImage = RowOf<typeof IMAGE_COLUMNS>;

/** @throws DraftsmithError DISK_FULL, DISK_FAILED */
export function openImagesWriter(path: string, metadata: JsonObject): Promise<ArrowWriter<StoredImage>> {
  return openArrowWriter(path, IMAGE_COLUMNS, metadata, { batchRows: 256, batchBytes: 64 << 20 });
}

export function openImagesFile(path: string): Promise<ArrowFile<typeof IMAGE_COLUMNS>> {
  return ArrowFile.open(path, IMAGE_COLUMNS);
}
