/** Prints rows of shards, and writes their images. */
import { join, resolve } from "node:path";
import { DraftsmithError, type JsonObject } from "../base/index.js";
import { madeWithOthers, openModel, type Speller, spellerOf } from "../model/index.js";
import { findRows } from "./place.js";
import { writeImages } from "./row-images.js";
import { rowLine, rowLines, runsOf, supervisedOf } from "./row-text.js";
import { type FoundRow, rowsOf } from "./rows.js";

export interface InspectRequest {
  /** An Arrow file of rows, a rows or shards artifact, or the workspace of a pipeline's runs. */
  path: string;
  /** A dialogue's id, or this, a slash and the row's number; undefined: a list of the first rows. */
  row?: string | undefined;
  /** Rows listed at most. */
  limit: number;
  /** Directory for the images of the chosen rows; undefined: none are written. */
  images?: string | undefined;
  /** Model directory for the text of tokens; undefined: the one that the rows' own manifest names, if it is there. */
  model?: string | undefined;
  /** Rows as JSON lines. */
  json?: boolean;
}

/**
 * @yields lines of text
 * @throws DraftsmithError INPUT_MISSING, INPUT_INVALID, ARTIFACT_INVALID, MODEL_INVALID, OUTPUT_INVALID
 */
export async function* inspect(request: InspectRequest): AsyncGenerator<string> {
  const place = await findRows(request.path);
  if (request.row === undefined && request.images !== undefined) {
    throw new DraftsmithError("USAGE", "images are written for chosen rows only", { hint: "name one with --row ID" });
  }
  if (request.row === undefined) {
    yield* list(place.rowFiles, request);
    return;
  }
  let seen = 0;
  let speller: Promise<Speller | undefined> | undefined;
  for await (const found of rowsOf(place.rowFiles, request.row)) {
    if (seen > 0 && request.json !== true) yield "";
    seen += 1;
    speller ??= spellerFor(request, place.model, found.metadata);
    if (request.json === true) yield JSON.stringify(rowJson(found));
    else {
      yield `${found.file}, row ${found.index}`;
      yield* rowLines(found.row, await speller);
    }
    if (request.images === undefined) continue;
    // Several rows of a dialogue show the same images under other numbers.
    const directory = join(resolve(request.images), `row-${found.row.row}`);
    for (const path of await writeImages(found.row, place.imageFiles, directory)) {
      if (request.json !== true) yield `wrote ${path}`;
    }
  }
  if (seen === 0) {
    throw new DraftsmithError("INPUT_MISSING", `${request.path} has no row ${request.row}`, {
      location: { file: resolve(request.path), id: request.row },
      hint: "without --row the ids are listed",
    });
  }
}

async function* list(files: readonly string[], { limit, json }: InspectRequest): AsyncGenerator<string> {
  let file: string | undefined;
  let shown = 0;
  for await (const found of rowsOf(files, undefined)) {
    if (shown === limit) {
      if (json !== true) yield `... only the first ${limit} rows are listed`;
      return;
    }
    shown += 1;
    if (json === true) yield JSON.stringify(rowJson(found));
    else {
      if (found.file !== file) yield found.file;
      file = found.file;
      yield `  ${rowLine(found.row)}`;
    }
  }
  if (shown === 0 && json !== true) yield "no rows";
}

/** The model directory that a manifest names may have moved: then ids alone are shown. */
async function spellerFor(
  { model }: InspectRequest,
  recorded: string | undefined,
  metadata: JsonObject,
): Promise<Speller | undefined> {
  if (model === undefined && recorded === undefined) return undefined;
  const opened = openModel(model ?? recorded!);
  const directory = await (model === undefined ? opened.catch(() => undefined) : opened);
  if (directory === undefined) return undefined;
  const other = madeWithOthers(metadata, directory.fingerprints).find(({ key }) => key === "tokenizer");
  if (other === undefined) return spellerOf(directory.tokenizer);
  if (model === undefined) return undefined;
  throw new DraftsmithError("MODEL_INVALID", `the rows were made with another tokenizer than that of ${model}`, {
    location: { file: model },
    hint: "name the model directory that the rows were tokenized with",
  });
}

function rowJson({ file, index, row }: FoundRow): JsonObject {
  const grids = (grid: Int32Array) =>
    Array.from({ length: grid.length / 3 }, (_, k) => [...grid.subarray(3 * k, 3 * k + 3)]);
  return {
    file,
    index,
    dialogueId: row.dialogueId,
    row: row.row,
    turns: [...row.turns],
    responseSpans: Array.from(row.turns, (_, k) => [...row.responseSpans.subarray(2 * k, 2 * k + 2)]),
    tokens: row.inputIds.length,
    supervised: supervisedOf(row),
    imageHashes: row.imageHashes,
    imageGrids: grids(row.imageGridThw),
    videoFrames: row.videoFrames,
    videoFrameCounts: [...row.videoFrameCounts],
    videoGrids: grids(row.videoGridThw),
    tags: row.tags,
    runs: runsOf(row).map((run) => ({ ...run })),
  };
}
