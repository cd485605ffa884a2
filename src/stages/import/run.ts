import { join } from "node:path";
import { type JsonlWriter, type ManifestDraft, openJsonlWriter } from "../../artifacts/index.js";
import { DraftsmithError, defined, fromErrno, type JsonObject, mapOrdered, TimeSlice } from "../../base/index.js";
import {
  type Dialogue,
  type OwnSize,
  type Picture,
  picturesOf,
  placePictures,
  type RawDialogue,
  videosOf,
} from "../../dialogue/index.js";
import { type CanonicalOptions, type ImageRoots, openRoots } from "../../images/index.js";
import type { StageContext } from "../stage.js";
import { fetcherFor } from "./fetcher.js";
import { ImageIntake } from "./intake.js";
import type { LogResult } from "./log/run.js";
import type { ImportOptions } from "./options.js";
import { readSourceRows, type SourceRow } from "./source-rows.js";
import { type Judged, specialTextRule } from "./special-text.js";
import { type KeptRow, type Rejected, Tally } from "./tally.js";
import { chosenRule, ownTargetSizeOf, targetSizeOf } from "./target-size.js";

/** Rows looked at ahead of the one that is written next: enough to keep the image workers busy past a slow row. */
const ROWS_AHEAD = 32;
const PROGRESS_EVERY_MS = 200;

type Outcome = { ok: true; dialogue: Dialogue; kept: KeptRow } | { ok: false; rejected: Rejected };

/** Reads rows of any known form and writes canonical dialogues, their images, and the rows that were refused. */
export async function runImport(options: ImportOptions, context: StageContext): Promise<ManifestDraft> {
  const rule = await chosenRule(options);
  const { maxRowBytes: _, minVideoFrames, maxVideoFrames, maxVideoPixels, ...limits } = options.limits;
  const videoLimits = { minVideoFrames, maxVideoFrames, maxVideoPixels };
  const settings: JsonObject = {
    flattenColour: options.flattenColour.toLowerCase(),
    limits,
    resize: rule === undefined ? "none" : { ...rule },
  };
  const canonical: CanonicalOptions = {
    limits,
    flattenColour: options.flattenColour,
    ...defined({ targetSize: rule && targetSizeOf(rule) }),
  };
  const roots = await findRoots(options.imageRoots);
  const fetcher = fetcherFor(options, context.signal);
  const rules = {
    options: canonical,
    ownSize: rule === undefined ? undefined : (own: OwnSize) => ownTargetSizeOf(rule, own),
    videoLimits,
    concurrency: options.concurrency,
  };
  const intake = await ImageIntake.open(context.resumeDir, settings, roots, rules, fetcher);
  const tally = new Tally();
  const hashes = new Set<string>();
  let log: LogResult | undefined;
  try {
    if (options.format === "log")
      log = await (await import("./log/run.js")).importLog({ options, context, intake, tally, hashes });
    else await importDialogues(options, context, intake, tally, hashes);
    await intake.publish(hashes, join(context.workDir, "images"));
    await fetcher?.writeRecords(context.workDir);
  } finally {
    await intake.close();
  }
  if (intake.stats.reused > 0) {
    const message = `${intake.stats.reused} images were taken over from the interrupted run`;
    context.events.emit({ type: "log", level: "info", step: context.step, message });
  }
  const { read, kept, rejected, forms, unreadFields } = tally;
  if (unreadFields !== undefined) {
    const message = `fields that nothing reads: ${tally.unreadText}`;
    context.events.emit({ type: "log", level: "warn", step: context.step, message });
  }
  return {
    counts: {
      read,
      kept,
      rejected,
      forms,
      ...defined({ unreadFields }),
      ...(options.specialText === "escape" ? { escapedSpecialTokens: tally.escaped } : {}),
      images: hashes.size,
      imageReferences: intake.stats.references,
      ...(tally.videos === 0 ? {} : { videos: tally.videos }),
      ...defined({ imagesFetched: fetcher?.fetched }),
      ...(log && { unit: "requests", ...log.counts }),
    },
    facts: {
      ...log?.facts,
      images: settings,
      ...defined({ remoteImages: fetcher && { allow: options.remoteImages.allow } }),
      ...summaryOf(log, unreadFields && tally.unreadText),
    },
  };
}

function summaryOf(log: LogResult | undefined, unread: string | undefined): { summary?: JsonObject[] } {
  const own = log?.summary ?? [];
  const lines = unread === undefined ? own : [...own, { label: "fields not read", value: unread }];
  return lines.length === 0 ? {} : { summary: lines };
}

async function importDialogues(
  options: ImportOptions,
  context: StageContext,
  intake: ImageIntake,
  tally: Tally,
  hashes: Set<string>,
): Promise<void> {
  const kept = await openJsonlWriter(join(context.workDir, "dialogues.jsonl"));
  const refused = await openJsonlWriter(join(context.workDir, "rejected.jsonl"));
  try {
    await writeRows(options, context, intake, tally, hashes, kept, refused);
    await Promise.all([kept.close(), refused.close()]);
  } catch (error) {
    await Promise.allSettled([kept.discard(), refused.discard()]);
    throw error;
  }
  tally.judge(options.maxRejectedShare, options.source);
}

async function writeRows(
  options: ImportOptions,
  context: StageContext,
  intake: ImageIntake,
  tally: Tally,
  hashes: Set<string>,
  kept: JsonlWriter,
  refused: JsonlWriter,
): Promise<void> {
  const started = performance.now();
  let reported = 0;
  const report = () => {
    const seconds = (performance.now() - started) / 1000;
    context.events.emit({
      type: "step-progress",
      step: context.step,
      done: tally.read,
      unit: "dialogues",
      rates: { "images/s": Math.round((intake.stats.decoded / seconds) * 10) / 10 },
      rejected: tally.rejected,
    });
    reported = performance.now();
  };
  const judge = await specialTextRule(options);
  const rows = readSourceRows(options, context.limit);
  const slice = new TimeSlice();
  for await (const outcome of mapOrdered(rows, ROWS_AHEAD, (row) => finishRow(row, intake, judge))) {
    if (slice.isOver) await slice.yieldToEventLoop();
    if (context.signal.aborted) throw new DraftsmithError("INTERRUPTED", "the import was interrupted");
    if (outcome.ok) {
      tally.keep(outcome.kept);
      tally.videos += videosOf(outcome.dialogue.messages).length;
      for (const picture of picturesOf(outcome.dialogue.messages)) hashes.add(picture.hash);
      await kept.write(outcome.dialogue);
    } else {
      tally.reject(outcome.rejected);
      await refused.write(outcome.rejected);
    }
    if (performance.now() - reported >= PROGRESS_EVERY_MS) report();
  }
  report();
}

async function finishRow(
  row: SourceRow,
  intake: ImageIntake,
  judge: ((dialogue: Dialogue) => Judged) | null,
): Promise<Outcome> {
  const { id, source } = row;
  if (!row.ok) return { ok: false, rejected: { id, source, reason: row.reason, message: row.message } };
  const taken = await intake.take(row.dialogue);
  if (!taken.ok) return { ok: false, rejected: { id, source, reason: taken.reason, message: taken.message } };
  const dialogue = toDialogue(row.id, source, row.dialogue, taken.pictures);
  const judged = judge === null ? { ok: true as const, dialogue, escaped: 0 } : judge(dialogue);
  if (!judged.ok) {
    const message = `a text spells out the special token ${judged.token}`;
    return { ok: false, rejected: { id, source, reason: "special-token-text", message } };
  }
  const { form, unread } = row;
  return { ok: true, dialogue: judged.dialogue, kept: { form, unread, escaped: judged.escaped } };
}

/** Members in a fixed order, so that equal dialogues are equal lines. */
function toDialogue(id: string, source: Dialogue["source"], raw: RawDialogue, pictures: Picture[]): Dialogue {
  const { tools, tags } = raw;
  const messages = placePictures(raw.messages, pictures);
  const dialogue: Dialogue = { id, source, messages };
  if (tools !== undefined) dialogue.tools = tools;
  if (tags !== undefined) dialogue.tags = tags;
  return dialogue;
}

async function findRoots(directories: readonly string[]): Promise<ImageRoots> {
  for (const directory of directories) {
    try {
      await openRoots([directory]);
    } catch (error) {
      throw fromErrno(error, directory);
    }
  }
  return openRoots(directories);
}
