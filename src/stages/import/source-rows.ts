/** The rows of the source files in order, each read into a dialogue or a rejection, ids settled. */
import { dirname, relative, sep } from "node:path";
import { type JsonLine, readJsonRows } from "../../artifacts/index.js";
import { type DialogueForm, type DialogueReason, type RawDialogue, readDialogue } from "../../dialogue/index.js";
import type { ImportOptions } from "./options.js";

/** Reasons that only this stage has. */
export const ROW_REASONS = {
  "line-too-long": "the row is longer than the limit",
  "not-utf8": "the row is not UTF-8 text",
  "json-invalid": "the row is no JSON",
  "id-duplicate": "an earlier row has the same id",
} as const;

export interface RowPlace {
  /** Relative to the directory that all source files share, with forward slashes. */
  file: string;
  line: number;
}

export type SourceRow =
  | { ok: true; id: string; source: RowPlace; form: DialogueForm; unread: readonly string[]; dialogue: RawDialogue }
  | {
      ok: false;
      id: string | null;
      source: RowPlace;
      reason: DialogueReason | keyof typeof ROW_REASONS;
      message: string;
    };

export async function* readSourceRows(options: ImportOptions, limit: number | undefined): AsyncGenerator<SourceRow> {
  // Ids only: 278,000 of them take some 30 MB.
  const seen = new Set<string>();
  for await (const { item, source } of readSources(options, limit)) {
    yield settleId(readRow(item, source, options), seen, options.onDuplicateId);
  }
}

/** The rows as they stand in the files. */
export async function* readSources(
  options: ImportOptions,
  limit: number | undefined,
): AsyncGenerator<{ item: JsonLine; source: RowPlace }> {
  const names = sourceNames(options.source);
  let read = 0;
  for (const [at, path] of options.source.entries()) {
    for await (const item of readJsonRows(path, { maxLineBytes: options.limits.maxRowBytes })) {
      if (limit !== undefined && read >= limit) return;
      read += 1;
      yield { item, source: { file: names[at]!, line: item.line } };
    }
  }
}

/** Paths relative to the nearest directory above all of them: what a dialogue remembers must not depend on the machine. */
export function sourceNames(paths: readonly string[]): string[] {
  const folders = paths.map((path) => dirname(path).split(sep));
  const [first = [], ...others] = folders;
  let shared = 0;
  while (shared < first.length && others.every((folder) => folder[shared] === first[shared])) shared += 1;
  const root = first.slice(0, shared).join(sep) || sep;
  return paths.map((path) => relative(root, path).split(sep).join("/"));
}

function readRow(item: JsonLine, source: RowPlace, options: ImportOptions): SourceRow {
  if ("problem" in item) return { ok: false, id: null, source, reason: item.problem, message: item.message };
  const result = readDialogue(item.value, options.format === "log" ? "auto" : options.format);
  if (!result.ok) return { ok: false, id: result.id ?? null, source, reason: result.reason, message: result.message };
  const id = result.dialogue.id ?? `${source.file}:${source.line}`;
  const { form, dialogue, unread } = result;
  return { ok: true, id, source, form, unread, dialogue };
}

function settleId(row: SourceRow, seen: Set<string>, policy: ImportOptions["onDuplicateId"]): SourceRow {
  if (!row.ok) return row;
  let { id } = row;
  if (seen.has(id)) {
    if (policy === "reject") {
      const { source } = row;
      return {
        ok: false,
        id,
        source,
        reason: "id-duplicate",
        message: `an earlier row has the id ${JSON.stringify(id)}`,
      };
    }
    for (let k = 2; seen.has(id); k += 1) id = `${row.id}#${k}`;
  }
  seen.add(id);
  return { ...row, id };
}
