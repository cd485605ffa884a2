/** Reads how each dialogue of a part ended, in input order, from the part's two files. */
import { join } from "node:path";
import { readJsonl } from "../../artifacts/index.js";
import type { EndRow } from "../../dialogue/index.js";
import { type Part, refused } from "./parts.js";

const FILES = ["generations.jsonl", "rejected.jsonl"] as const;

interface Cursor {
  file: string;
  rows: AsyncGenerator<{ line: number; value: unknown }>;
  /** The next row; undefined at the end of the file. */
  next: { line: number; row: EndRow } | undefined;
}

export class PartEnds {
  private constructor(
    private readonly part: Part,
    private readonly cursors: readonly Cursor[],
  ) {}

  static async open(part: Part): Promise<PartEnds> {
    const cursors: Cursor[] = [];
    for (const name of FILES) {
      const file = join(part.path, name);
      const cursor: Cursor = { file, rows: readJsonl(file), next: undefined };
      await advance(cursor);
      cursors.push(cursor);
    }
    return new PartEnds(part, cursors);
  }

  /**
   * How this dialogue ended; undefined if it is not next in either file.
   *
   * @throws DraftsmithError INPUT_INVALID - it has two ends
   */
  async take(digest: string): Promise<EndRow | undefined> {
    let found: EndRow | undefined;
    for (const cursor of this.cursors) {
      while (cursor.next?.row.dialogueDigest === digest) {
        const { row, line } = cursor.next;
        if (found !== undefined) {
          const where = `${cursor.file}:${line}`;
          throw refused(where, `dialogue ${row.id} has more than one end in ${this.part.path}`, "run this part again");
        }
        found = row;
        await advance(cursor);
      }
    }
    return found;
  }

  /** @throws DraftsmithError INPUT_INVALID - there are rows left, which belong to no dialogue of this part */
  checkDone(): void {
    for (const { file, next } of this.cursors) {
      if (next === undefined) continue;
      throw refused(
        `${file}:${next.line}`,
        `dialogue ${next.row.id} is not one of the dialogues of part ${this.part.partition.index}/${this.part.partition.count}, or out of order`,
        "run this part again on the same dialogues",
      );
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.cursors.map(({ rows }) => rows.return(undefined)));
  }
}

async function advance(cursor: Cursor): Promise<void> {
  const { done, value } = await cursor.rows.next();
  cursor.next = done === true ? undefined : { line: value.line, row: value.value as EndRow };
}
