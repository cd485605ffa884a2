/** The columns of shards in words. Dataset cards, draftsmith.json and the stage's page all say this. */
import { ARROW_TYPE_NAMES, type Columns, IMAGE_COLUMNS, ROW_COLUMNS } from "../../artifacts/index.js";
import type { JsonObject } from "../../base/index.js";

const ROW_MEANINGS: Record<keyof typeof ROW_COLUMNS, string> = {
  input_ids: "the T token ids of the sequence, image pads expanded, exactly as served",
  loss_mask: "T times 0 or 1: 1 on the tokens of supervised answers",
  mm_token_type_ids: "T times 0 (text), 1 (image pad) or 2 (video pad)",
  image_hashes: "sha256 of each image, in the order of their pads in the sequence; `hash` in the images",
  image_grid_thw: "3 numbers for each image (frames, height, width, in patches): reshape to (-1, 3)",
  video_frames: "sha256 of each frame of all videos, in the order of the sequence; `hash` in the images",
  video_frame_counts: "for each video, how many of `video_frames` are its own",
  video_grid_thw: "3 numbers for each video (frames, height, width, in patches): reshape to (-1, 3)",
  dialogue_id: "the dialogue that the row was made from",
  row: "number of the row within its dialogue; (dialogue_id, row) is unique",
  turns: "numbers of the dialogue's turns whose answers the row supervises",
  response_spans: "start and end (exclusive) in the sequence for each of `turns`: reshape to (-1, 2)",
  tags: "JSON object of texts: the dialogue's tags",
};

const IMAGE_MEANINGS: Record<keyof typeof IMAGE_COLUMNS, string> = {
  hash: "sha256 of the PNG's bytes, 64 hex digits; rows are sorted by it, each image occurs once",
  image: "struct of `bytes` (the PNG) and `path` (`<hash>.png`): an `Image` for `datasets`, which decodes it",
  width: "pixels",
  height: "pixels",
};

/** Markdown tables: column, Arrow type, meaning. */
export const ROW_TABLE = table(ROW_COLUMNS, ROW_MEANINGS);
export const IMAGE_TABLE = table(IMAGE_COLUMNS, IMAGE_MEANINGS);

/** The same for programs. */
export const COLUMNS_JSON: JsonObject = {
  rows: described(ROW_COLUMNS, ROW_MEANINGS),
  images: described(IMAGE_COLUMNS, IMAGE_MEANINGS),
};

function table<C extends Columns>(columns: C, meanings: Record<keyof C, string>): string {
  const lines = Object.entries(columns).map(([name, kind]) => {
    return `| \`${name}\` | \`${ARROW_TYPE_NAMES[kind]}\` | ${meanings[name]} |`;
  });
  return ["| column | Arrow type | meaning |", "|---|---|---|", ...lines].join("\n");
}

function described<C extends Columns>(columns: C, meanings: Record<keyof C, string>): JsonObject {
  const entries = Object.entries(columns).map(([name, kind]) => {
    return [name, { type: ARROW_TYPE_NAMES[kind], meaning: meanings[name] }];
  });
  return Object.fromEntries(entries) as JsonObject;
}
