/** Reads the JSONL files of earlier stages, each line checked. */
import { join } from "node:path";
import { readJsonl } from "../../artifacts/index.js";
import { DraftsmithError } from "../../base/index.js";
import { type Dialogue, dialogueSchema, type Generation, generationSchema } from "../../dialogue/index.js";

export function readGenerations(dir: string, limit: number | undefined): AsyncGenerator<Generation> {
  return readChecked(join(dir, "generations.jsonl"), generationSchema, limit);
}

export function readDialogues(dir: string, limit: number | undefined): AsyncGenerator<Dialogue> {
  return readChecked(join(dir, "dialogues.jsonl"), dialogueSchema, limit);
}

interface Checker<T> {
  safeParse(
    value: unknown,
  ): { success: true; data: T } | { success: false; error: { issues: { path: PropertyKey[]; message: string }[] } };
}

/** Throws ARTIFACT_INVALID with file and line at the first line of another shape. */
async function* readChecked<T>(file: string, schema: Checker<T>, limit = Number.POSITIVE_INFINITY): AsyncGenerator<T> {
  let count = 0;
  for await (const { line, value } of readJsonl(file)) {
    if (count >= limit) return;
    count += 1;
    const parsed = schema.safeParse(value);
    if (parsed.success) {
      yield parsed.data;
      continue;
    }
    const issue = parsed.error.issues[0];
    const field = issue?.path.map(String).join(".") ?? "";
    throw new DraftsmithError("ARTIFACT_INVALID", `${field}: ${issue?.message ?? "another shape than expected"}`, {
      location: { file, line, ...(field === "" ? {} : { field }) },
    });
  }
}
