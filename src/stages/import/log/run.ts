/** A log of production as dialogues and generations: ids as they were served, checked, nothing asked again. */
import { join } from "node:path";
import { openJsonlWriter } from "../../../artifacts/index.js";
import { DraftsmithError, type JsonObject, mapOrdered, TimeSlice } from "../../../base/index.js";
import {
  accountSummary,
  emptyAccount,
  enter,
  type HistoryOption,
  historyFacts,
  KEEP_SYSTEM_PROMPT,
  picturesOf,
  systemPromptFacts,
  templateArguments,
} from "../../../dialogue/index.js";
import { openModel } from "../../../model/index.js";
import { createRenderer } from "../../../tokens/index.js";
import type { StageContext } from "../../stage.js";
import type { ImageIntake } from "../intake.js";
import type { ImportOptions } from "../options.js";

import { readSources } from "../source-rows.js";
import type { Tally } from "../tally.js";
import { joined } from "./conversations.js";
import { LogJudge } from "./judge.js";
import { type LogParts, lookAtRow } from "./look-at-row.js";
import { RequestStore } from "./request-store.js";

/** Requests looked at ahead of the one that is written next. */
const AHEAD = 32;
const PROGRESS_EVERY_MS = 200;

/** What the log came to, beside what the tally counts. */
export interface LogResult {
  counts: JsonObject;
  facts: JsonObject;
  /** Rows of the closing table. */
  summary: JsonObject[];
}

export interface LogRun {
  options: ImportOptions;
  context: StageContext;
  intake: ImageIntake;
  /** Counts requests. */
  tally: Tally;
  /** Filled with the images that are used. */
  hashes: Set<string>;
}

/** Writes dialogues.jsonl, generations.jsonl and rejected.jsonl. */
export async function importLog(run: LogRun): Promise<LogResult> {
  const { options, context, intake, tally } = run;
  const { log } = options;
  const model = await openModel(options.model!);
  const kwargs = templateArguments(log);
  const parts = { log, intake, judge: await LogJudge.of(log, model), renderer: createRenderer(model, kwargs) };
  const store = await RequestStore.create(join(context.resumeDir, "requests.jsonl"));
  try {
    await readLog(run, parts, store);
    tally.judge(options.maxRejectedShare, options.source);
    const { counts, summary } = await writeDialogues(run, store, log.history);
    return {
      counts,
      facts: {
        history: historyFacts(log.history),
        systemPrompt: systemPromptFacts(KEEP_SYSTEM_PROMPT),
        chatTemplateKwargs: kwargs,
        idSource: "log",
        sampled: log.sampled,
      },
      summary,
    };
  } finally {
    await store.close();
  }
}

async function readLog({ options, context, tally }: LogRun, parts: LogParts, store: RequestStore): Promise<void> {
  const { events, step, signal, limit, workDir } = context;
  const rejected = await openJsonlWriter(join(workDir, "rejected.jsonl"));
  const slice = new TimeSlice();
  const seen = new Set<string>();
  let reported = 0;
  const report = (): void => {
    events.emit({ type: "step-progress", step, done: tally.read, unit: "requests", rejected: tally.rejected });
    reported = performance.now();
  };
  try {
    const rows = readSources(options, limit);
    for await (const looked of mapOrdered(rows, AHEAD, ({ item, source }) => lookAtRow(item, source, parts))) {
      if (slice.isOver) await slice.yieldToEventLoop();
      if (signal.aborted) throw new DraftsmithError("INTERRUPTED", "the import was interrupted");
      const isRepeat = looked.ok && looked.rowId !== undefined && seen.has(looked.rowId);
      if (looked.ok && !isRepeat) {
        if (looked.rowId !== undefined) seen.add(looked.rowId);
        tally.keep({ form: "log", unread: looked.unread, escaped: 0 });
        await store.add(looked.request, looked.conversation);
      } else {
        const row = looked.ok
          ? { id: looked.rowId!, source: looked.request.source, reason: "id-duplicate", message: "logged before" }
          : looked.rejected;
        tally.reject(row);
        await rejected.write(row);
      }
      if (performance.now() - reported >= PROGRESS_EVERY_MS) report();
    }
    report();
    await rejected.close();
  } catch (error) {
    await rejected.discard();
    throw error;
  }
}

async function writeDialogues(
  { context: { workDir, signal }, hashes }: LogRun,
  store: RequestStore,
  history: HistoryOption,
): Promise<{ counts: JsonObject; summary: JsonObject[] }> {
  const dialogues = await openJsonlWriter(join(workDir, "dialogues.jsonl"));
  const generations = await openJsonlWriter(join(workDir, "generations.jsonl"));
  const account = emptyAccount();
  const names = new Names();
  const slice = new TimeSlice();
  try {
    for await (const requests of store.grouped()) {
      if (signal.aborted) throw new DraftsmithError("INTERRUPTED", "the import was interrupted");
      if (slice.isOver) await slice.yieldToEventLoop();
      for (const { dialogue, generation } of joined(requests, history, (id) => names.unused(id))) {
        for (const { hash } of picturesOf(dialogue.messages)) hashes.add(hash);
        enter(account, generation);
        await dialogues.write(dialogue);
        await generations.write(generation);
      }
    }
    await Promise.all([dialogues.close(), generations.close()]);
  } catch (error) {
    await Promise.allSettled([dialogues.discard(), generations.discard()]);
    throw error;
  }
  const { read, turns, promptTokens, responseTokens } = account;
  return { counts: { dialogues: read, turns, promptTokens, responseTokens }, summary: accountSummary(account) };
}

/** A conversation may give several dialogues, where a client edited its history. */
class Names {
  private readonly taken = new Map<string, number>();

  unused(id: string): string {
    const before = this.taken.get(id) ?? 0;
    this.taken.set(id, before + 1);
    if (before === 0) return id;
    // The name may itself be one that a log holds.
    return this.unused(`${id}#${before + 1}`);
  }
}
