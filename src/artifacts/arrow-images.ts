/** The images of a dataset in Arrow files: each canonical PNG once, sorted by hash. */
import { DraftsmithError, type JsonObject, sha256 } from "../base/index.js";
import type { Columns, RowOf } from "./arrow-columns.js";
import { ArrowFile, columnNamesOf } from "./arrow-file.js";
import { type ArrowWriter, openArrowWriter } from "./arrow-writer.js";

/** The file's columns, in order. */
export const IMAGE_COLUMNS = {
  hash: "utf8",
  image: "image",
  width: "int32",
  height: "int32",
} as const satisfies Columns;

/** Those of files written before `datasets` could show the images. */
const OLDER_COLUMNS = { hash: "utf8", png: "binary", width: "int32", height: "int32" } as const satisfies Columns;

export interface StoredImage {
  /** sha256 of `png`, as 64 hex digits. */
  hash: string;
  png: Uint8Array;
  width: number;
  height: number;
}

/** The rows of either form as images, unchecked. */
interface ImageRows {
  file: Pick<ArrowFile<Columns>, "path" | "rows" | "metadata" | "close" | "batches">;
  hashes(batch: number): Promise<{ hash: string }[]>;
  batch(batch: number): Promise<StoredImage[]>;
  row(batch: number, row: number): StoredImage;
}

/** @throws DraftsmithError DISK_FULL, DISK_FAILED */
export async function openImagesWriter(path: string, metadata: JsonObject): Promise<ArrowWriter<StoredImage>> {
  const writer = await openArrowWriter(path, IMAGE_COLUMNS, metadata, { batchRows: 256, batchBytes: 32 << 20 });
  return {
    ...writer,
    append: ({ hash, png, width, height }) =>
      writer.append({ hash, image: { bytes: png, path: `${hash}.png` }, width, height }),
  };
}

export class ImagesFile {
  private constructor(private readonly source: ImageRows) {}

  /** @throws DraftsmithError INPUT_MISSING, ARTIFACT_INVALID */
  static async open(path: string): Promise<ImagesFile> {
    const isOlder = (await columnNamesOf(path)).includes("png");
    return new ImagesFile(isOlder ? await openOlder(path) : await openPresent(path));
  }

  get rows(): number {
    return this.source.file.rows;
  }

  /** The JSON under "draftsmith" in the schema's metadata. */
  get metadata(): JsonObject {
    return this.source.file.metadata;
  }

  /**
   * Every image in order; memory holds one batch.
   * @throws DraftsmithError ARTIFACT_INVALID for bytes of another hash
   */
  async *readImages(): AsyncGenerator<StoredImage> {
    for (let batch = 0; batch < this.source.file.batches.length; batch += 1) {
      for (const image of await this.source.batch(batch)) yield this.checked(image);
    }
  }

  /** The image with this hash: reads the hashes, then one row. Errors as readImages. */
  async find(hash: string): Promise<StoredImage | undefined> {
    for (let batch = 0; batch < this.source.file.batches.length; batch += 1) {
      const at = (await this.source.hashes(batch)).findIndex((row) => row.hash === hash);
      if (at >= 0) return this.checked(this.source.row(batch, at));
    }
    return undefined;
  }

  close(): Promise<void> {
    return this.source.file.close();
  }

  private checked(image: StoredImage): StoredImage {
    if (sha256(image.png) === image.hash) return image;
    const file = this.source.file.path;
    throw new DraftsmithError("ARTIFACT_INVALID", `${file} is damaged: the image ${image.hash} has another content`, {
      location: { file },
      hint: "run the step that makes the shards again",
    });
  }
}

async function openPresent(path: string): Promise<ImageRows> {
  const file = await ArrowFile.open(path, IMAGE_COLUMNS);
  const names = Object.keys(IMAGE_COLUMNS) as (keyof typeof IMAGE_COLUMNS)[];
  const stored = ({ hash, image, width, height }: RowOf<typeof IMAGE_COLUMNS>): StoredImage => {
    return { hash, png: image.bytes, width, height };
  };
  return {
    file,
    hashes: (batch) => file.readBatch(batch, ["hash"]),
    batch: async (batch) => (await file.readBatch(batch, names)).map(stored),
    row: (batch, row) => stored(file.readRow(batch, row)),
  };
}

async function openOlder(path: string): Promise<ImageRows> {
  const file = await ArrowFile.open(path, OLDER_COLUMNS);
  const names = Object.keys(OLDER_COLUMNS) as (keyof typeof OLDER_COLUMNS)[];
  return {
    file,
    hashes: (batch) => file.readBatch(batch, ["hash"]),
    batch: (batch) => file.readBatch(batch, names),
    row: (batch, row) => file.readRow(batch, row),
  };
}
