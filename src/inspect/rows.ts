/** Goes through the rows of some files, all of them or those of one id. */
import { checkedRow, openRowsFile, type TokenRow } from "../artifacts/index.js";
import type { JsonObject } from "../base/index.js";

export interface FoundRow {
  file: string;
  /** Number of the row in its file. */
  index: number;
  row: TokenRow;
  /** Of the file's schema. */
  metadata: JsonObject;
}

/** Whether a row is meant: by its dialogue's id, or by this id, a slash, and its number within the dialogue. */
function isMeant(id: string, dialogueId: string, row: number): boolean {
  return id === dialogueId || id === `${dialogueId}/${row}`;
}

/**
 * The rows in the order of the files; only those of `id`, if one is given. Memory holds one row, and the ids of a batch.
 * @throws DraftsmithError INPUT_MISSING, ARTIFACT_INVALID
 */
export async function* rowsOf(files: readonly string[], id: string | undefined): AsyncGenerator<FoundRow> {
  for (const path of files) {
    const file = await openRowsFile(path);
    try {
      let before = 0;
      for (const [batch, { rows }] of file.batches.entries()) {
        const names = await file.readBatch(batch, ["dialogue_id", "row"]);
        for (const [at, { dialogue_id, row }] of names.entries()) {
          if (id !== undefined && !isMeant(id, dialogue_id, row)) continue;
          yield {
            file: path,
            index: before + at,
            row: checkedRow(path, file.readRow(batch, at)),
            metadata: file.metadata,
          };
        }
        before += rows;
      }
    } finally {
      await file.close();
    }
  }
}
