/** The stage: opens servers and ledger, answers the dialogues, writes the artifact in input order. */
import { join } from "node:path";
import type { ManifestDraft } from "../../artifacts/index.js";
import { DraftsmithError, defined, type JsonObject } from "../../base/index.js";
import { type Account, accountCounts, accountSummary, historyFacts, systemPromptFacts } from "../../dialogue/index.js";
import { writeReport } from "../../report/index.js";
import { GREEDY, identityFacts, longestPrompt } from "../../sglang/index.js";
import { dialoguesIn, type InputArtifact, type StageContext } from "../stage.js";
import { RequestImages } from "./asking/request-images.js";
import type { RunParts } from "./asking/run-parts.js";
import { DialogueWorkers, tooManyFailures } from "./dialogues/dialogue-workers.js";
import { assemble } from "./ledger/assemble.js";
import { openLedger, takeOver } from "./ledger/earlier-answers.js";
import { settingsOf } from "./ledger/settings.js";
import { type RegenerateOptions, templateKwargs } from "./options.js";
import type { LocalModel } from "./prompts/local-model.js";
import { recheck } from "./recheck/recheck.js";
import { Progress } from "./report/progress.js";
import { runReport } from "./report/run-report.js";
import { runReportData } from "./report/run-report-data.js";
import { ChosenDialogues } from "./selection/chosen-dialogues.js";
import { readRedo } from "./selection/redo.js";
import { Selection } from "./selection/selection.js";
import type { Terms } from "./servers/inspect.js";
import { ServerPool } from "./servers/server-pool.js";

export async function runRegenerate(
  options: RegenerateOptions,
  inputs: Record<"dialogues" | "earlier", InputArtifact | undefined>,
  context: StageContext,
): Promise<ManifestDraft> {
  const input = inputs.dialogues;
  if (input === undefined) throw new DraftsmithError("INPUT_MISSING", "regenerate needs a dialogues artifact");
  const { events, step, signal } = context;
  const note = (level: "info" | "warn", message: string): void => events.emit({ type: "log", level, step, message });
  const redo = await readRedo(options, note);
  const selection = await Selection.of(options, redo);
  const file = join(input.path, "dialogues.jsonl");
  const dialogues = await ChosenDialogues.open(file, selection, context.limit, signal);
  const total = selection.chosen ?? totalOf(input, context.limit);
  const { counting, prompts, terms } = await openLocalModel(options);
  const pool = await ServerPool.open({ options, ...terms }, { note });
  const progress = new Progress(step, events, total, () => pool.servers);
  let finished: ManifestDraft["counts"] | undefined;
  try {
    const facts = factsOf(options, pool, counting);
    if (pool.reference.probe.idSource === "count") note("warn", COUNTED_NOTE);
    const { resumeDir, otherResumeDirs = [] } = context;
    const settings = facts.settings as JsonObject;
    const earlierParts = { resumeDir, otherResumeDirs, settings, options, note, signal, redo };
    const ledger = await openLedger(earlierParts);
    try {
      if (ledger.damagedLines > 0)
        note("warn", `${ledger.damagedLines} lines of the journal are damaged; their answers are asked again`);
      if (redo !== undefined && ledger.isEmpty && inputs.earlier === undefined) throw nothingToRedo();
      if (inputs.earlier !== undefined) await takeOver(ledger, inputs.earlier, earlierParts);
      const images = new RequestImages(input.path);
      const parts = { options, pool, ledger, images, progress, counting, prompts, redo, total, signal, note };
      progress.start();
      await new DialogueWorkers(parts).run(dialogues.read());
      ledger.refresh();
      const checked = await recheck(parts);
      progress.phase = "putting answers in order";
      const account = await assemble(ledger, context.workDir, signal);
      progress.phase = "";
      checkShares(account, options);
      const counts = {
        ...accountCounts(account),
        ...(selection.takesAll ? {} : { notChosen: dialogues.notChosen }),
        ...defined({ recheck: checked }),
      };
      finished = counts;
      return {
        counts,
        facts: { ...facts, ...selection.facts(context.limit), summary: accountSummary(account) },
      };
    } finally {
      progress.stop();
      await ledger.close();
      await reportRun(context, progress, pool, finished);
    }
  } finally {
    await pool.close();
  }
}

/** Also for a run that was stopped: its report says why. */
async function reportRun(
  { reportDir, events, step }: StageContext,
  { statistics, seconds }: Progress,
  { servers }: ServerPool,
  counts: ManifestDraft["counts"] | undefined,
): Promise<void> {
  if (reportDir === undefined) return;
  const outcome = counts === undefined ? "stopped" : "done";
  const figures = runReportData(statistics, {
    outcome,
    seconds,
    counts: counts as JsonObject | undefined,
    servers: servers.map(({ name, identity, state, trouble }) => ({
      name,
      promptLimit: identity && longestPrompt(identity),
      trouble: state === "up" ? "" : trouble,
    })),
  });
  await writeReport(runReport, figures, reportDir).then(
    () => events.emit({ type: "log", level: "info", step, message: `the report of this run is in ${reportDir}` }),
    // The artifact is complete without it.
    ({ message }: Error) => events.emit({ type: "log", level: "warn", step, message: `no report: ${message}` }),
  );
}

const COUNTED_NOTE =
  "the servers return no ids: prompts are rendered and answers encoded here, compared with the servers' counts, and every turn is marked `counted`; tokenize refuses such turns unless countedIds: keep";

interface Local extends Pick<RunParts, "counting" | "prompts"> {
  terms: Pick<Terms, "check" | "local">;
}

/** Loaded only when it is needed: the tokenizer is a large native library. */
async function openLocalModel(options: RegenerateOptions): Promise<Local> {
  if (options.model === undefined) {
    return { counting: undefined, prompts: undefined, terms: { check: undefined, local: undefined } };
  }
  const [{ PromptCheck }, { LocalModel, probeDialogue }] = await Promise.all([
    import("./prompts/prompt-check.js"),
    import("./prompts/local-model.js"),
  ]);
  const model = await LocalModel.open(options.model, templateKwargs(options));
  const prompts = new PromptCheck(model);
  const check: Terms["check"] = (probe, withImage) => prompts.checkProbe(probe, withImage);
  if (options.idSource !== "count") return { counting: undefined, prompts, terms: { check, local: undefined } };
  const local: Terms["local"] = (image) => model.idsFor(probeDialogue(image), undefined);
  return { counting: model, prompts, terms: { check, local } };
}

function totalOf(input: InputArtifact, limit: number | undefined): number | undefined {
  const kept = dialoguesIn(input);
  return kept === undefined ? undefined : Math.min(kept, limit ?? Infinity);
}

/** What later stages need to know; no addresses, no times, nothing that differs between equal runs. */
function factsOf(options: RegenerateOptions, pool: ServerPool, counted: LocalModel | undefined): JsonObject {
  const { identity, probe } = pool.reference;
  const model = identityFacts(identity);
  // Only then do the directory's files decide the ids; otherwise the server's ids are kept.
  const counting = probe.idSource === "count" && counted !== undefined ? { countedWith: counted.fingerprints } : {};
  return {
    systemPrompt: systemPromptFacts(options.systemPrompt),
    chatTemplateKwargs: templateKwargs(options),
    sampling: { ...GREEDY },
    history: historyFacts(options.history),
    historyContent: options.historyContent,
    maxNewTokens: options.maxNewTokens,
    model,
    engine: identity.dialect,
    idSource: probe.idSource,
    ...counting,
    /** sha256 of the prompt ids of a fixed probe: two runs with another one had another template or processor. */
    probeRendering: probe.rendering,
    /** All of it together: a later run takes these answers over only when it has the same. */
    settings: settingsOf(options, { model, probeRendering: probe.rendering, ...counting }),
  };
}

function nothingToRedo(): DraftsmithError {
  return new DraftsmithError("OPTIONS_INVALID", "there are no earlier answers to drop", {
    location: { field: "redo" },
    hint: "give the finished output as the input `earlier`, and another directory for the new one",
  });
}

function checkShares(account: Account, options: RegenerateOptions): void {
  const { failed } = account.byStatus;
  if (failed > account.read * options.maxFailedShare) throw tooManyFailures(failed, account.read, options);
  if (account.kept === 0) {
    const reasons = Object.entries(account.rejected).map(([reason, count]) => `${reason} ${count}`);
    throw new DraftsmithError("DATA_EMPTY", `no dialogue of ${account.read} got an answer: ${reasons.join(", ")}`);
  }
}
