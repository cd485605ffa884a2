/** Reads dialogues or generations, turns them into rows, writes and counts them. */
import { join } from "node:path";
import { type ManifestDraft, openJsonlWriter } from "../../artifacts/index.js";
import { DraftsmithError, defined, type JsonObject, TimeSlice } from "../../base/index.js";
import {
  type HistoryOption,
  historyFacts,
  historyWords,
  systemPromptFacts,
  templateArguments,
} from "../../dialogue/index.js";
import { type ModelDirectory, openModel } from "../../model/index.js";
import { writeReport } from "../../report/index.js";
import { SystemPrompts, supervisedTokens } from "../../tokens/index.js";
import { dialoguesIn, type InputArtifact, type StageContext } from "../stage.js";
import { pictureTokens } from "./assemble.js";
import { assembledOf } from "./assembled.js";
import type { AssembledDialogue } from "./assembler.js";
import { checkDeclared, historyOf } from "./declared.js";
import { lossText } from "./length-loss.js";
import { NearDuplicates } from "./near-duplicates.js";
import type { TokenizeOptions } from "./options.js";
import { Repeats } from "./repeats.js";
import { type TokenizeReport, tokenizeReport } from "./report.js";
import { RowFiles } from "./row-files.js";
import { Tally } from "./tally.js";

export type TokenizeInputs = Record<"generations" | "dialogues", InputArtifact | undefined>;

type EffectiveOptions = Omit<TokenizeOptions, "history"> & { history: HistoryOption };

/** Dialogues whose images are read ahead. */
const AHEAD = 16;

export async function runTokenize(
  declared: TokenizeOptions,
  inputs: TokenizeInputs,
  context: StageContext,
): Promise<ManifestDraft> {
  const { events, step, signal, workDir } = context;
  const input = inputOf(declared, inputs);
  if (declared.source === "ids") checkDeclared(declared, input);
  const options = { ...declared, history: historyOf(declared, input.manifest.facts) };
  const model = await openModel(options.model);
  for (const note of model.notes) events.emit({ type: "log", level: "info", step, message: `model: ${note}` });
  const facts = factsOf(options, model, input);
  const alike = nearDuplicatesOf(options, inputs);
  const files = new RowFiles(workDir, facts, options.rowsPerFile);
  const rejected = await openJsonlWriter(join(workDir, "rejected.jsonl"));
  const tally = new Tally();
  const prompts = new SystemPrompts();
  const repeats = new Repeats(options.duplicates === "drop", alike);
  const slice = new TimeSlice();
  try {
    for await (const dialogue of ahead(assembledOf(options, input, model, context.limit), alike)) {
      if (signal.aborted) throw new DraftsmithError("INTERRUPTED", "tokenize was stopped");
      if (slice.isOver) await slice.yieldToEventLoop();
      prompts.add(dialogue.systemPrompt);
      const { rows, rejections, cut, lengths } = await repeats.remove(dialogue);
      tally.dialogues += 1;
      tally.read += dialogue.read;
      tally.cut += cut;
      for (const length of lengths) tally.lengths.add(length);
      for (const { turn, reason, message } of rejections) {
        tally.reject(reason, turn === null ? dialogue.read : 1);
        await rejected.write({ id: dialogue.id, turn, status: "rejected", reason, message });
      }
      for (const row of rows) {
        tally.rows += 1;
        tally.kept += row.turns.length;
        tally.tokens += row.inputIds.length;
        tally.longestRow = Math.max(tally.longestRow, row.inputIds.length);
        tally.supervisedTokens += supervisedTokens(row.responseSpans);
        const { images, videos } = pictureTokens(row);
        tally.imageTokens += images;
        tally.images += row.imageHashes.length;
        tally.videoTokens += videos;
        tally.videos += row.videoFrameCounts.length;
        await files.append(row);
      }
      const total = totalOf(input, context.limit);
      events.emit({
        type: "step-progress",
        step,
        done: tally.dialogues,
        ...defined({ total }),
        unit: "dialogues",
        rejected: tally.rejected,
      });
    }
    await files.close();
    await rejected.close();
  } catch (error) {
    await files.discard();
    await rejected.discard();
    throw error;
  }
  if (tally.rows === 0) {
    const reasons = Object.entries(tally.rejected).map(([reason, count]) => `${reason} ${count}`);
    throw new DraftsmithError(
      "DATA_EMPTY",
      `no row is left of ${tally.read} turns: ${reasons.join(", ") || "there were none"}`,
      tally.rejected["counted-ids"] === undefined
        ? {}
        : {
            hint: "countedIds: keep accepts ids that the server never sent; it may have encoded answers differently",
          },
    );
  }
  await reportRun(tally, options, context);
  return {
    counts: Object.assign(tally.counts(), { source: sourceCounts(input) }),
    facts: { ...facts, systemPrompts: prompts.summary(3), summary: summaryOf(tally) },
  };
}

/** Beside the artifact, as reports of other stages. */
async function reportRun(tally: Tally, options: EffectiveOptions, { reportDir }: StageContext): Promise<void> {
  if (reportDir === undefined) return;
  const { read, kept, rejected, rows, tokens, supervisedTokens, lengths } = tally;
  const figures: TokenizeReport = {
    stage: "tokenize",
    history: historyWords(options.history),
    maxLength: options.maxLength,
    turns: { read, kept, rejected },
    rows,
    tokens,
    supervisedTokens,
    lengthLoss: lengths.data(),
  };
  await writeReport(tokenizeReport, figures, reportDir);
}

function inputOf(options: TokenizeOptions, inputs: TokenizeInputs): InputArtifact {
  const name = options.source === "ids" ? "generations" : "dialogues";
  const other = options.source === "ids" ? "dialogues" : "generations";
  const input = inputs[name];
  if (input !== undefined) return input;
  throw new DraftsmithError(
    "INPUT_MISSING",
    `tokenize with source ${options.source} reads ${name}, which is not given`,
    {
      ...(inputs[other] === undefined
        ? {}
        : { hint: `give ${name}, or set source to ${options.source === "ids" ? "fixed" : "ids"}` }),
      location: { field: name },
    },
  );
}

/** Undefined if near-duplicate rows are kept. */
function nearDuplicatesOf({ nearDuplicates }: TokenizeOptions, inputs: TokenizeInputs): NearDuplicates | undefined {
  const { policy, ...rules } = nearDuplicates;
  if (policy === "keep") return undefined;
  if (inputs.dialogues !== undefined) return new NearDuplicates(inputs.dialogues.path, rules);
  throw new DraftsmithError("INPUT_MISSING", "to drop near-duplicates, tokenize looks at the screenshots", {
    hint: "give the dialogues artifact that holds them in addition to the generations",
    location: { field: "dialogues" },
  });
}

/** The same dialogues, while the images of the next ones are read ahead. */
async function* ahead(
  dialogues: AsyncIterable<AssembledDialogue>,
  alike: NearDuplicates | undefined,
): AsyncGenerator<AssembledDialogue> {
  if (alike === undefined) {
    yield* dialogues;
    return;
  }
  const waiting: AssembledDialogue[] = [];
  for await (const dialogue of dialogues) {
    for (const row of dialogue.rows) alike.prepare(row);
    waiting.push(dialogue);
    if (waiting.length > AHEAD) yield waiting.shift()!;
  }
  yield* waiting;
}

/** Metadata of the row files' schema and facts of the manifest. */
function factsOf(options: EffectiveOptions, model: ModelDirectory, input: InputArtifact): JsonObject {
  const { facts, counts } = input.manifest;
  // Video settings are recorded only if there are videos, so that other rows do not depend on them.
  const { video, ...fingerprints } = model.fingerprints;
  const ofVideos = video !== undefined && typeof counts.videos === "number" ? { video } : {};
  return {
    schemaVersion: 1,
    source: options.source,
    model: { ...fingerprints, ...ofVideos },
    modelType: model.config.modelType,
    vocabSize: model.config.vocabSize,
    imageTokenId: model.specialIds.imagePad,
    videoTokenId: model.specialIds.videoPad,
    maskTokenId: model.maskTokenId,
    stopIds: model.specialIds.stop,
    mergeSize: model.processor.mergeSize,
    maxLength: options.maxLength,
    /** Rows are neither padded nor packed: there is no attention mask. */
    maskless: true,
    chatTemplateKwargs: options.source === "ids" ? (facts.chatTemplateKwargs ?? {}) : templateArguments(options),
    history: historyFacts(options.history),
    systemPrompt: options.source === "ids" ? (facts.systemPrompt ?? null) : systemPromptFacts(options.systemPrompt),
    // What answered: name, weights and settings of the server.
    ...(options.source === "ids" ? defined({ served: facts.model }) : {}),
  };
}

/** What the step before kept and left out, so that cards made later can say it. */
function sourceCounts({ manifest: { kind, counts } }: InputArtifact): JsonObject {
  const { read, kept, rejected } = counts;
  return { kind, ...defined({ read, kept, rejected }) };
}

function totalOf(input: InputArtifact, limit: number | undefined): number | undefined {
  const kept = dialoguesIn(input);
  return kept === undefined ? limit : Math.min(kept, limit ?? Number.POSITIVE_INFINITY);
}

function summaryOf(tally: Tally): JsonObject[] {
  const reasons = Object.entries(tally.rejected).map(([reason, count]) => `${reason} ${count}`);
  const dropped = tally.read - tally.kept;
  return [
    { label: "turns kept in rows", value: `${tally.kept} of ${tally.read}, in ${tally.rows} rows` },
    { label: "turns dropped", value: dropped === 0 ? "0" : `${dropped} (${reasons.join(", ")})` },
    { label: "tokens / supervised", value: `${tally.tokens} / ${tally.supervisedTokens}` },
    { label: "supervised tokens lost to maxLength", value: lossText(tally.lengths.data()) },
  ];
}
