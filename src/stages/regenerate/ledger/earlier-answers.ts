/**
 * Answers of earlier work that need not be asked again: the journal of an interrupted run that chose other dialogues,
 * and the rows of a finished artifact.
 */
import { rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { onDisk, openJournal, readSealed, syncParent } from "../../../artifacts/index.js";
import { DraftsmithError, isJsonObject, type JsonObject } from "../../../base/index.js";
import type { EndRow } from "../../../dialogue/index.js";
import type { InputArtifact } from "../../stage.js";
import type { RegenerateOptions } from "../options.js";
import type { Redo } from "../selection/redo.js";
import { Ledger } from "./ledger.js";
import { changedSettings, settingsConflict } from "./settings.js";

/** Rows on their way to the disk at once. */
const BATCH = 256;

export interface EarlierParts {
  resumeDir: string;
  /** Resume directories of the same step under other options. */
  otherResumeDirs: readonly string[];
  settings: JsonObject;
  options: Pick<RegenerateOptions, "onConflict" | "retryFailed">;
  note(level: "info" | "warn", message: string): void;
  signal: AbortSignal;
  redo: Redo | undefined;
}

/**
 * The step's ledger. Without one of its own, the journal of an unfinished run that differs only in the choice of
 * dialogues is continued: its answers are the same.
 *
 * @throws DraftsmithError RESUME_CONFLICT - unfinished answers were made with other settings
 */
export async function openLedger(parts: EarlierParts): Promise<Ledger> {
  const { resumeDir, settings, options, note } = parts;
  const own = join(resumeDir, "journal.jsonl");
  if (!(await exists(own))) await adopt(own, parts);
  try {
    return await Ledger.open(own, settings);
  } catch (error) {
    const isConflict = error instanceof DraftsmithError && error.code === "RESUME_CONFLICT";
    if (!isConflict || options.onConflict === "refuse") throw error;
    note("warn", `discarding earlier answers, as onConflict says: ${error.message}`);
    await onDisk(own, () => rename(own, join(resumeDir, "journal-set-aside.jsonl")));
    return Ledger.open(own, settings);
  }
}

async function adopt(own: string, { otherResumeDirs, settings, options, note }: EarlierParts): Promise<void> {
  let conflict: DraftsmithError | undefined;
  for (const directory of otherResumeDirs) {
    const path = join(directory, "journal.jsonl");
    const earlier = await settingsIn(path);
    if (earlier === undefined) continue;
    if (changedSettings(earlier, settings).length === 0) {
      note("info", "going on with the answers of an unfinished run that differs only in which dialogues it chose");
      await onDisk(path, async () => {
        await rename(path, own);
        await syncParent(own);
      });
      return;
    }
    conflict ??= settingsConflict("unfinished answers", path, earlier, settings);
  }
  if (conflict === undefined) return;
  if (options.onConflict === "refuse") throw conflict;
  note("warn", `discarding earlier answers, as onConflict says: ${conflict.message}`);
}

/** Of the first line; undefined where nothing was answered. */
async function settingsIn(path: string): Promise<JsonObject | undefined> {
  if (!(await exists(path))) return undefined;
  const journal = await openJournal(path);
  try {
    // Settings alone are no answers: nothing would be lost or mixed.
    if (journal.found.records < 2) return undefined;
    for await (const record of journal.records()) {
      return isJsonObject(record) && isJsonObject(record.settings) ? record.settings : undefined;
    }
    return undefined;
  } finally {
    await journal.close();
  }
}

/**
 * Puts the finished rows of an earlier artifact into the ledger, byte for byte as they are; those that failed are left
 * out when they are to be asked again. What the ledger has already stays.
 *
 * @throws DraftsmithError RESUME_CONFLICT - they were made with other settings
 */
export async function takeOver(ledger: Ledger, earlier: InputArtifact, parts: EarlierParts): Promise<void> {
  const { settings, options, note, signal, redo } = parts;
  const before = earlier.manifest.facts.settings;
  if (!isJsonObject(before)) {
    throw new DraftsmithError("ARTIFACT_INVALID", `${earlier.path} does not say with which settings it was made`, {
      location: { file: earlier.path },
      hint: "it was made by an older version of draftsmith; leave out the input earlier",
    });
  }
  if (changedSettings(before, settings).length > 0) {
    const conflict = settingsConflict("the answers of the input earlier", earlier.path, before, settings);
    if (options.onConflict === "refuse") throw conflict;
    note("warn", `discarding earlier answers, as onConflict says: ${conflict.message}`);
    return;
  }
  let taken = 0;
  let left = 0;
  let dropped = 0;
  let writing: Promise<void>[] = [];
  for (const file of ["generations.jsonl", "rejected.jsonl"]) {
    for await (const row of readSealed<EndRow>(join(earlier.path, file))) {
      if (signal.aborted) throw new DraftsmithError("INTERRUPTED", "stopped while earlier answers were taken over");
      if (row.status === "failed" && options.retryFailed) {
        left += 1;
        continue;
      }
      if (redo?.ids.has(row.id) === true) {
        dropped += 1;
        continue;
      }
      if (ledger.has(row.dialogueDigest)) continue;
      taken += 1;
      writing.push(ledger.addEnd(row.dialogueDigest, row.status, row));
      if (writing.length < BATCH) continue;
      await Promise.all(writing);
      writing = [];
    }
  }
  await Promise.all(writing);
  ledger.refresh();
  note(
    "info",
    `${taken} dialogues are taken over from ${earlier.manifest.producer.stage}; ${left} failed before and are asked again${dropped === 0 ? "" : `, as are ${dropped} named to be redone`}`,
  );
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
