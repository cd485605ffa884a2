/** Training rows in Arrow files: what tokenize writes, shard rearranges and the trainer maps into memory. */
import { canonicalJson, DraftsmithError, isJsonObject, type JsonObject, TimeSlice } from "../base/index.js";
import type { Columns, RowOf } from "./arrow-columns.js";
import { ArrowFile } from "./arrow-file.js";
import { type ArrowWriter, type BatchLimits, openArrowWriter } from "./arrow-writer.js";

/** The file's columns, in order. */
export const ROW_COLUMNS = {
  input_ids: "list<int32>",
  loss_mask: "list<int8>",
  mm_token_type_ids: "list<int8>",
  image_hashes: "list<utf8>",
  image_grid_thw: "list<int32>",
  video_frames: "list<utf8>",
  video_frame_counts: "list<int32>",
  video_grid_thw: "list<int32>",
  dialogue_id: "utf8",
  row: "int32",
  turns: "list<int32>",
  response_spans: "list<int32>",
  tags: "utf8",
} as const satisfies Columns;

/** A row as its file holds it. */
export type StoredRow = RowOf<typeof ROW_COLUMNS>;

/** Columns that are missing from files written before videos were supported: their rows have no videos. */
const LATER_COLUMNS = ["video_frames", "video_frame_counts", "video_grid_thw"] as const;

/** One training sequence of T tokens. */
export interface TokenRow {
  /** T ids. */
  inputIds: Int32Array;
  /** T times 0 or 1: 1 on supervised response tokens. */
  lossMask: Int8Array;
  /** T times 0 (text), 1 (image), 2 (video). */
  mmTokenTypeIds: Int8Array;
  /** sha256 of each image in the order of the sequence. */
  imageHashes: string[];
  /** Flat: time, height, width in patches, for each image. */
  imageGridThw: Int32Array;
  /** sha256 of each frame of all videos, in the order of the sequence. */
  videoFrames: string[];
  /** How many of the frames belong to each video. */
  videoFrameCounts: Int32Array;
  /** Flat: time, height, width in patches, for each video. */
  videoGridThw: Int32Array;
  dialogueId: string;
  /** Index of the row within its dialogue. */
  row: number;
  /** Turns whose responses this row supervises. */
  turns: Int32Array;
  /** Flat: start and end (exclusive) of each supervised response. */
  responseSpans: Int32Array;
  tags: Record<string, string>;
}

/** Batches of at most 1,024 rows, and of about 16 MiB, so that long rows do not make a reader's memory grow. */
const LIMITS: BatchLimits = { batchRows: 1024, batchBytes: 16 << 20 };

export type RowsWriter = ArrowWriter<TokenRow>;

/**
 * @param metadata goes into the schema under "draftsmith": versions, fingerprints, system prompt
 * @throws DraftsmithError DISK_FULL, DISK_FAILED
 */
export async function openRowsWriter(
  path: string,
  metadata: JsonObject,
  limits: Partial<BatchLimits> = {},
): Promise<RowsWriter> {
  const writer = await openArrowWriter(path, ROW_COLUMNS, metadata, { ...LIMITS, ...limits });
  return { ...writer, append: (row) => writer.append(toStored(row)) };
}

export function openRowsFile(path: string): Promise<ArrowFile<typeof ROW_COLUMNS>> {
  return ArrowFile.open(path, ROW_COLUMNS, LATER_COLUMNS);
}

/** The rows of a file in order, one batch in memory at a time. Lets other work in between rows. */
export async function* readRowsFile(path: string): AsyncGenerator<TokenRow> {
  const file = await openRowsFile(path);
  const slice = new TimeSlice();
  try {
    for await (const row of file.readRows()) {
      if (slice.isOver) await slice.yieldToEventLoop();
      yield checkedRow(path, row);
    }
  } finally {
    await file.close();
  }
}

/**
 * A row whose columns fit one another.
 * @throws DraftsmithError ARTIFACT_INVALID
 */
export function checkedRow(path: string, row: StoredRow): TokenRow {
  const problem = rowProblem(row);
  if (problem === undefined) return fromStored(row);
  throw new DraftsmithError("ARTIFACT_INVALID", `${path} is damaged: row ${row.dialogue_id}/${row.row}: ${problem}`, {
    location: { file: path, id: row.dialogue_id },
    hint: "remove the artifact's directory and run the step that makes it again",
  });
}

function rowProblem(row: StoredRow): string | undefined {
  const tokens = row.input_ids.length;
  if (row.loss_mask.length !== tokens || row.mm_token_type_ids.length !== tokens) {
    return `${tokens} ids, but masks of another length`;
  }
  if (row.image_grid_thw.length !== 3 * row.image_hashes.length) return "its images and their grids do not fit";
  const frames = row.video_frame_counts.reduce((sum, count) => sum + count, 0);
  if (frames !== row.video_frames.length || row.video_grid_thw.length !== 3 * row.video_frame_counts.length) {
    return "its video frames, counts and grids do not fit";
  }
  if (row.response_spans.length % 2 !== 0) return "its last answer has no end";
  if (!isTags(row.tags)) return "its tags are no JSON object of texts";
  return undefined;
}

function isTags(text: string): boolean {
  try {
    const tags: unknown = JSON.parse(text);
    return isJsonObject(tags) && Object.values(tags).every((value) => typeof value === "string");
  } catch {
    return false;
  }
}

export function toStored(row: TokenRow): StoredRow {
  const tokens = row.inputIds.length;
  if (row.lossMask.length !== tokens || row.mmTokenTypeIds.length !== tokens) {
    throw new Error(`row ${row.dialogueId}/${row.row}: ${tokens} ids but masks of another length`);
  }
  if (row.imageGridThw.length !== 3 * row.imageHashes.length || row.responseSpans.length % 2 !== 0) {
    throw new Error(`row ${row.dialogueId}/${row.row}: image grids or response spans are incomplete`);
  }
  const frames = row.videoFrameCounts.reduce((sum, count) => sum + count, 0);
  if (frames !== row.videoFrames.length || row.videoGridThw.length !== 3 * row.videoFrameCounts.length) {
    throw new Error(`row ${row.dialogueId}/${row.row}: video frames or grids are incomplete`);
  }
  return {
    input_ids: row.inputIds,
    loss_mask: row.lossMask,
    mm_token_type_ids: row.mmTokenTypeIds,
    image_hashes: row.imageHashes,
    image_grid_thw: row.imageGridThw,
    video_frames: row.videoFrames,
    video_frame_counts: row.videoFrameCounts,
    video_grid_thw: row.videoGridThw,
    dialogue_id: row.dialogueId,
    row: row.row,
    turns: row.turns,
    response_spans: row.responseSpans,
    tags: canonicalJson(row.tags),
  };
}

export function fromStored(row: StoredRow): TokenRow {
  return {
    inputIds: row.input_ids,
    lossMask: row.loss_mask,
    mmTokenTypeIds: row.mm_token_type_ids,
    imageHashes: row.image_hashes,
    imageGridThw: row.image_grid_thw,
    videoFrames: row.video_frames,
    videoFrameCounts: row.video_frame_counts,
    videoGridThw: row.video_grid_thw,
    dialogueId: row.dialogue_id,
    row: row.row,
    turns: row.turns,
    responseSpans: row.response_spans,
    tags: JSON.parse(row.tags) as Record<string, string>,
  };
}
