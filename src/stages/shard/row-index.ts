/** Indexes every row for the split and the shuffle: its position, dialogue and images, not its content. */
import { join } from "node:path";
import { type ArrowFile, openRowsFile, type ROW_COLUMNS } from "../../artifacts/index.js";
import { canonicalJson, DraftsmithError, type JsonObject } from "../../base/index.js";
import type { InputArtifact } from "../stage.js";

export type RowsFile = ArrowFile<typeof ROW_COLUMNS>;

export interface IndexedRow {
  file: number;
  batch: number;
  /** Within the batch. */
  at: number;
  /** Number of its dialogue and of its images (frames of videos among them), into the index's lists. */
  dialogue: number;
  images: readonly number[];
  /** The row's own number within its dialogue. */
  row: number;
  tokens: number;
  /** Tokens of its answers. */
  supervised: number;
}

export interface RowIndex {
  files: RowsFile[];
  metadata: JsonObject;
  rows: IndexedRow[];
  dialogues: string[];
  images: string[];
}

const NO_IMAGES: readonly number[] = [];
const SHOWN_COLUMNS = ["dialogue_id", "row", "image_hashes", "video_frames", "response_spans"] as const;

/**
 * Opens the row files of a rows artifact and reads their small columns. The files stay open: close them.
 * @throws DraftsmithError ARTIFACT_INVALID, INTERRUPTED
 */
export async function indexRows(
  rows: InputArtifact,
  limit: number | undefined,
  signal: AbortSignal,
): Promise<RowIndex> {
  const paths = rows.manifest.files.map((file) => file.path).filter((path) => /^rows-\d+\.arrow$/.test(path));
  const index: RowIndex = { files: [], metadata: {}, rows: [], dialogues: [], images: [] };
  const dialogues = new Numbers(index.dialogues);
  const images = new Numbers(index.images);
  try {
    for (const [number, path] of paths.sort().entries()) {
      const file = await openRowsFile(join(rows.path, path));
      index.files.push(file);
      if (number === 0) index.metadata = file.metadata;
      else if (canonicalJson(file.metadata) !== canonicalJson(index.metadata)) {
        throw new DraftsmithError(
          "ARTIFACT_INVALID",
          `${file.path} was made with a different model or template than the previous file`,
          {
            location: { file: file.path },
          },
        );
      }
      for (let batch = 0; batch < file.batches.length; batch += 1) {
        if (signal.aborted) throw new DraftsmithError("INTERRUPTED", "sharding was interrupted");
        const lengths = await file.readLengths(batch, "input_ids");
        for (const [at, row] of (await file.readBatch(batch, SHOWN_COLUMNS)).entries()) {
          if (limit !== undefined && index.rows.length >= limit) return index;
          // Several rows may repeat the frames of a video; each is listed once.
          const shown = [...row.image_hashes, ...new Set(row.video_frames)];
          const own = shown.length === 0 ? NO_IMAGES : shown.map((hash) => images.of(hash));
          index.rows.push({
            file: number,
            batch,
            at,
            dialogue: dialogues.of(row.dialogue_id),
            images: own,
            row: row.row,
            tokens: lengths[at]!,
            supervised: lengthOf(row.response_spans),
          });
        }
      }
    }
    return index;
  } catch (error) {
    await closeIndex(index);
    throw error;
  }
}

/** @param spans - flat: start and end of each */
function lengthOf(spans: Int32Array): number {
  let sum = 0;
  for (let k = 0; k < spans.length; k += 2) sum += spans[k + 1]! - spans[k]!;
  return sum;
}

export async function closeIndex(index: RowIndex): Promise<void> {
  await Promise.all(index.files.map((file) => file.close()));
}

/** Numbers distinct texts in order of appearance and lists them. */
class Numbers {
  private readonly known = new Map<string, number>();
  private readonly list: string[];

  constructor(list: string[]) {
    this.list = list;
  }

  of(text: string): number {
    let number = this.known.get(text);
    if (number === undefined) {
      number = this.list.length;
      this.known.set(text, number);
      this.list.push(text);
    }
    return number;
  }
}
