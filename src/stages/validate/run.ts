/** Runs every check that the inputs allow and writes one report with one verdict. */
import { join } from "node:path";
import type { ManifestDraft } from "../../artifacts/index.js";
import { apiKeyHeaders, DraftsmithError, defined, type ErrorLocation, type JsonObject } from "../../base/index.js";
import { writeReport } from "../../report/index.js";
import { dialoguesIn, type InputArtifact, type StageContext } from "../stage.js";
import { checkDialogues } from "./check-dialogues.js";
import { checkDraft } from "./check-draft.js";
import { checkFingerprints, effectiveHistory, effectiveKwargs } from "./check-fingerprints.js";
import { checkGenerations } from "./check-generations.js";
import { checkImages } from "./check-images.js";
import { Lineage } from "./check-lineage.js";
import { checkRowFiles, checkShardFiles, rowPaths } from "./check-row-files.js";
import { LiveServer } from "./check-server.js";
import { asTokenized, type DialogueSource, openSource } from "./dialogue-source.js";
import { type Finding, Findings, StopChecking } from "./findings.js";
import { historyText } from "./history-content.js";
import { checkLivePrompts } from "./live-sample.js";
import type { ValidateOptions } from "./options.js";
import { Origins } from "./origins.js";
import { REPORT_HTML, REPORT_TEXT, type ReportData, reportDataOf, validateReport } from "./report/index.js";
import { shareText } from "./share.js";
import { statesText } from "./states.js";
import { openSubject, type Subject } from "./subject.js";

export type ValidateInputs = Record<"dialogues" | "generations" | "rows" | "shards", InputArtifact | undefined>;

interface Looked {
  all: ValidateInputs;
  /** Names of the inputs that were given. */
  given: readonly (keyof ValidateInputs)[];
  source: DialogueSource | undefined;
}

type Progress = (unit: string, total: number | undefined) => (done: number) => void;

export async function runValidate(
  options: ValidateOptions,
  inputs: ValidateInputs,
  context: StageContext,
): Promise<ManifestDraft> {
  const { source: opened, artifact } = await openSource(options, inputs.dialogues);
  if (inputs.generations !== undefined && opened !== undefined && artifact === undefined) {
    throw new DraftsmithError("OPTIONS_INVALID", "generations go with the dialogues artifact they were made from", {
      location: { field: "dialogues" },
      hint: "name its directory instead of a file",
    });
  }
  const all: ValidateInputs = { ...inputs, dialogues: artifact };
  const source = inputs.generations === undefined ? asTokenized(opened, [all.rows, all.shards]) : opened;
  const given = (["generations", "dialogues", "rows", "shards"] as const).filter((name) => all[name] !== undefined);
  if (given.length === 0 && source === undefined && options.server === undefined && options.draft === undefined) {
    throw new DraftsmithError("INPUT_MISSING", "validate has nothing to look at", {
      hint: "give a file of dialogues with --dialogues, or dialogues, generations, rows or shards, or name a server or a draft",
    });
  }
  const facts = given.map((name) => ({ name, facts: all[name]!.manifest.facts }));
  const findings = new Findings(options.keepGoing, options.maxShown);
  const effective = { ...effectiveKwargs(options, facts), ...effectiveHistory(options, facts) };
  const subject = await openSubject(options, effective, findings);
  let stoppedEarly = false;
  try {
    await checkAll(subject, { all, given, source }, context);
  } catch (error) {
    if (!(error instanceof StopChecking)) throw error;
    stoppedEarly = true;
  }
  warnOfSeveralPrompts(subject);
  const names = artifact === undefined && source !== undefined ? [...given, source.name] : given;
  const report = reportDataOf(subject, names, stoppedEarly);
  if (report.verdict === "bad") {
    await writeReport(validateReport, report, context.resumeDir);
    throw failure(subject, findings.firstError!, join(context.resumeDir, REPORT_TEXT));
  }
  await writeReport(validateReport, report, context.workDir);
  for (const finding of findings.shown) {
    context.events.emit({ type: "log", level: "warn", step: context.step, message: finding.message });
  }
  return {
    counts: report.counts,
    facts: { verdict: report.verdict, model: { ...subject.model.fingerprints }, summary: summaryOf(report) },
  };
}

async function checkAll(subject: Subject, looked: Looked, context: StageContext): Promise<void> {
  const { signal, events, step } = context;
  const { all, given, source } = looked;
  const { options } = subject;
  const progress: Progress = (unit, total) => (done) => {
    if (signal.aborted) throw new DraftsmithError("INTERRUPTED", "validate was stopped");
    events.emit({ type: "step-progress", step, done, ...defined({ total }), unit });
  };
  // Before the long checks, though only the server's turn needs it.
  const headers = options.server === undefined ? {} : apiKeyHeaders(options.apiKeyEnv);
  for (const name of given) checkFingerprints(subject, all[name]!.manifest.facts, name);
  if (subject.draft !== undefined) checkDraft(subject, subject.draft, options.draft!);
  await checkTexts(subject, looked, context.limit, progress);
  if (source !== undefined && options.verifyImages) {
    await checkImages(subject, source, context.limit, progress("images", undefined));
  }
  warnOfResampling(subject);
  await checkTokens(subject, looked, progress);
  if (options.server === undefined) return;
  const server = await LiveServer.open(subject, options.server, headers);
  try {
    const asked = { generations: all.generations, source };
    const { withoutImages, withVideos } = await checkLivePrompts(subject, server, asked, context.limit, signal);
    const warn = (message: string): void => events.emit({ type: "log", level: "warn", step, message });
    if (withoutImages > 0) {
      warn(
        `${withoutImages} dialogues were not sent to the server, because their images are missing: give the dialogues artifact`,
      );
    }
    if (withVideos > 0) {
      warn(`${withVideos} dialogues with videos were not sent to the server, which samples frames by its own rules`);
    }
    await server.checkFiles();
    if (options.states) await server.checkStates(all.shards, context);
  } finally {
    await server.close();
  }
}

async function checkTexts(
  subject: Subject,
  { all: { generations }, source }: Looked,
  limit: number | undefined,
  progress: Progress,
): Promise<void> {
  if (generations === undefined) {
    if (source !== undefined) await checkDialogues(subject, source, limit, progress("dialogues", source.total));
    return;
  }
  const lineage = source === undefined ? undefined : new Lineage(subject, source);
  try {
    const seen = progress("dialogues", dialoguesIn(generations));
    await checkGenerations(subject, generations.path, lineage, limit, seen);
  } finally {
    await lineage?.close();
  }
}

async function checkTokens(
  subject: Subject,
  { all: { generations, rows, shards }, source }: Looked,
  progress: Progress,
): Promise<void> {
  if (rows !== undefined) {
    const origins = await Origins.read(
      generations === undefined ? source : undefined,
      undefined,
      undefined,
      subject.history,
    );
    await checkRowFiles(subject, rows, generations, origins, progress("rows", rowsOf(rows)));
  }
  if (shards === undefined) return;
  const made = rows === undefined ? undefined : { input: rows, files: rowPaths(rows) };
  const origins = await Origins.read(source, generations, made, subject.history);
  await checkShardFiles(subject, shards, origins, progress("rows", rowsOf(shards)));
}

/** With several system prompts, a draft trains at positions that no single production prompt has. */
function warnOfSeveralPrompts({ counts, findings, options }: Subject): void {
  const { distinct } = counts.systemPrompts;
  if (options.systemPrompt.policy !== "keep" || distinct < 2) return;
  findings.add({
    check: "system-prompt",
    severity: "warning",
    message: `the dialogues carry ${distinct} different system prompts, and none is declared: declare the one that inference will use (systemPrompt)`,
    place: {},
  });
}

/** Two resizers differ in the last bits, so training and serving would see different pixels. */
function warnOfResampling({ counts, findings }: Subject): void {
  if (counts.imagesResampled === 0) return;
  findings.add({
    check: "images",
    severity: "warning",
    message: `${counts.imagesResampled} of ${counts.images} images have a size that the processor changes: server and trainer resample them, each in its own way (import with resize: fixed-point avoids it)`,
    place: {},
  });
}

function rowsOf(input: InputArtifact): number | undefined {
  const { rows, kept } = input.manifest.counts;
  return typeof rows === "number" ? rows : kept;
}

function failure(subject: Subject, first: Finding, reportPath: string): DraftsmithError {
  const { id, index, turn, file, field } = first.place;
  const parts = [
    field,
    turn === undefined ? undefined : `turn ${turn}`,
    index === undefined ? undefined : `index ${index}`,
  ];
  const place = parts.filter((part) => part !== undefined).join(", ");
  const location: ErrorLocation = {
    ...defined({ file, id }),
    ...(place === "" ? {} : { field: place }),
  };
  const more = subject.findings.errors - 1;
  return new DraftsmithError("VALIDATION_FAILED", first.message + (more > 0 ? ` (and ${more} more)` : ""), {
    location,
    hint: `${HINTS[first.check]}; the report is ${reportPath} (tokens side by side: ${REPORT_HTML} beside it)`,
    ...defined({ frame: first.frame }),
  });
}

/** What to do about each kind of finding. */
const HINTS: Record<Finding["check"], string> = {
  input: "correct the rows, the format or the image roots",
  lineage: "rebuild the later artifacts from these, or name those they were made from",
  "system-prompt": "declare the prompt that inference will use, or generate the data again with it",
  history: "declare what production sends, or generate the data again with it",
  "template-arguments": "declare the same thinking switch and template arguments as the data was made with",
  fingerprint: "use the model directory that the data was made with, or rebuild the data",
  prompt: "server and model directory differ in template, tokenizer or image settings",
  rendering: "correct or drop the dialogue",
  "special-text": "drop or rewrite the dialogue",
  ids: "tokenize drops such turns; look at the server that produced them",
  stop: "compare the stop ids of server and model directory",
  images: "compare the images of the artifacts, and the pixel limits of server and model directory",
  mask: "rebuild the rows",
  "row-ids": "rebuild the rows from these generations",
  split: "rebuild the shards",
  server: "start the server with this model and without that setting",
  precision:
    "serve this snapshot as it is, train on the one that is served, or accept the difference with allowPrecision",
  "hidden-states": "compare weights, precision and layer ids of server and model directory",
  draft: "correct the draft's config.json",
};

function summaryOf({ counts, checks }: ReportData): JsonObject[] {
  const summary: JsonObject[] = [];
  const say = (label: string, value: string): void => {
    summary.push({ label, value });
  };
  if (counts.promptsCompared > 0) {
    say("prompts equal between local rendering and server", shareText(counts.promptsEqual, counts.promptsCompared));
  }
  if (counts.historyUnchanged + counts.historyTrimmed > 0) {
    say("earlier answers in the server's prompts", historyText(counts));
  }
  if (counts.promptsCounted > 0) say("prompts by count alone, not compared", String(counts.promptsCounted));
  if (counts.livePromptsCompared > 0) {
    say("prompts equal to the live server's", shareText(counts.livePromptsEqual, counts.livePromptsCompared));
  }
  if (counts.liveCountsCompared > 0) {
    say("prompts as long as the live server's", shareText(counts.liveCountsEqual, counts.liveCountsCompared));
  }
  if (counts.imagesVerified > 0) say("images whose bytes match their hash", `${counts.imagesVerified}`);
  if (counts.rows > 0) say("rows with correct masks and image runs", `${counts.rows} of ${counts.rows}`);
  if (counts.shardRows > 0)
    say("shard rows equal to what they were made from", `${counts.shardRows} of ${counts.shardRows}`);
  say("checks", statesText(checks));
  return summary;
}
