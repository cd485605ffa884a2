/** Reads a JSONL file of an artifact, each line checked. */

import { DraftsmithError, TimeSlice } from "../base/index.js";
import { readJsonl } from "./jsonl-reader.js";

export interface Checker<T> {
  safeParse(
    value: unknown,
  ): { success: true; data: T } | { success: false; error: { issues: { path: PropertyKey[]; message: string }[] } };
}

/** Throws ARTIFACT_INVALID with file and line at the first line of another shape. */
export async function* readChecked<T>(
  file: string,
  schema: Checker<T>,
  limit = Number.POSITIVE_INFINITY,
): AsyncGenerator<T> {
  let count = 0;
  const slice = new TimeSlice();
  for await (const { line, value } of readJsonl(file)) {
    if (count >= limit) return;
    count += 1;
    const row = checked(value, schema, file, line);
    if (slice.isOver) await slice.yieldToEventLoop();
    yield row;
  }
}

/**
 * Reads a JSONL file of an artifact and takes its lines for rows of this type without a look: the artifact is sealed with
 * hashes, and a check of each row would cost more than all the rest. For passes that skip most rows, or ask for few fields.
 *
 * @throws DraftsmithError INPUT_INVALID with file and line at the first line that is not JSON
 */
export async function* readSealed<Row>(file: string): AsyncGenerator<Row> {
  for await (const { value } of readJsonl(file)) yield value as Row;
}

/** @throws DraftsmithError ARTIFACT_INVALID with file, line and field */
export function checked<T>(value: unknown, schema: Checker<T>, file: string, line: number): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = issue?.path.map(String).join(".") ?? "";
  throw new DraftsmithError("ARTIFACT_INVALID", `${field}: ${issue?.message ?? "another shape than expected"}`, {
    location: { file, line, ...(field === "" ? {} : { field }) },
  });
}
