/** The stage: servers, journal, crew, merge. */
import { join } from "node:path";
import type { ManifestDraft } from "../../artifacts/index.js";
import { readJsonl } from "../../artifacts/jsonl-reader.js";
import { DraftsmithError, type JsonObject, sha256 } from "../../base/index.js";
import { type Account, accountCounts, accountSummary, type Dialogue, dialogueDigest } from "../../dialogue/index.js";
import { GREEDY, identityFacts, longestPrompt } from "../../sglang/index.js";
import type { InputArtifact, StageContext } from "../stage.js";
import { Crew, tooManyFailures } from "./crew.js";
import type { CrewParts } from "./crew-parts.js";
import { openLedger, takeOver } from "./earlier.js";
import { Fleet } from "./fleet.js";
import { ImageStore } from "./image-store.js";
import { merge } from "./merge.js";
import type { Terms } from "./muster.js";
import { type RegenerateOptions, templateKwargs } from "./options.js";
import type { OwnModel } from "./own-ids.js";
import { recheck } from "./recheck.js";
import { type Chosen, type NotChosen, Selection } from "./selection.js";
import { settingsOf } from "./settings.js";
import { Tally } from "./tally.js";

export async function run(
  options: RegenerateOptions,
  inputs: Record<"dialogues" | "earlier", InputArtifact | undefined>,
  context: StageContext,
): Promise<ManifestDraft> {
  const input = inputs.dialogues;
  if (input === undefined) throw new DraftsmithError("INPUT_MISSING", "regenerate needs a dialogues artifact");
  const { events, step, signal } = context;
  const note = (level: "info" | "warn", message: string): void => events.emit({ type: "log", level, step, message });
  const all = (): AsyncGenerator<Dialogue> => readDialogues(input.path, context.limit);
  const selection = await Selection.of(options);
  if (!selection.takesAll) await selection.survey(all(), signal);
  const dialogues = (): AsyncGenerator<Chosen> => choose(all(), selection);
  const total = selection.chosen ?? totalOf(input, context.limit);
  const { own, prompts, terms } = await ownModel(options, note);
  const fleet = await Fleet.open({ options, ...terms }, { note });
  const tally = new Tally(step, events, total, () => fleet.members);
  let finished: ManifestDraft["counts"] | undefined;
  try {
    const facts = factsOf(options, fleet, own);
    if (fleet.reference.probe.idSource === "count") note("warn", COUNTED_NOTE);
    const { resumeDir, otherResumeDirs = [] } = context;
    const settings = facts.settings as JsonObject;
    const earlierParts = { resumeDir, otherResumeDirs, settings, options, note, signal };
    const ledger = await openLedger(earlierParts);
    try {
      if (ledger.damagedLines > 0)
        note("warn", `${ledger.damagedLines} lines of the journal are damaged; their answers are asked again`);
      if (inputs.earlier !== undefined) await takeOver(ledger, inputs.earlier, earlierParts);
      const images = new ImageStore(input.path);
      const parts = { options, fleet, ledger, images, tally, own, prompts, total, signal, note };
      tally.start();
      await new Crew(parts).run(dialogues());
      ledger.refresh();
      const checked = await recheck(parts, dialogues());
      tally.phase = "putting answers in order";
      const notChosen: Partial<Record<NotChosen, number>> = {};
      const account = await merge(ledger, digestsOf(choose(all(), selection, notChosen), signal), context.workDir);
      tally.phase = "";
      checkShares(account, options);
      const counts = {
        ...accountCounts(account),
        ...(selection.takesAll ? {} : { notChosen }),
        ...(checked === undefined ? {} : { recheck: checked }),
      };
      finished = counts;
      return {
        counts,
        facts: { ...facts, ...selection.facts(context.limit), summary: accountSummary(account) },
      };
    } finally {
      tally.stop();
      await ledger.close();
      await tellRun(context, tally, fleet, finished);
    }
  } finally {
    await fleet.close();
  }
}

/** Of a run that was stopped, too: why it was slow is then the question. */
async function tellRun(
  { reportDir, events, step }: StageContext,
  { statistics, seconds }: Tally,
  { members }: Fleet,
  counts: ManifestDraft["counts"] | undefined,
): Promise<void> {
  if (reportDir === undefined) return;
  const outcome = counts === undefined ? "stopped" : "done";
  const { writeRunReport } = await import("./run-report.js");
  const limits = members.map(({ name, identity }) => [name, identity && longestPrompt(identity)] as const);
  const told = writeRunReport(reportDir, statistics, {
    outcome,
    seconds,
    counts: counts as JsonObject | undefined,
    longestPrompts: new Map(limits),
  });
  await told.then(
    () => events.emit({ type: "log", level: "info", step, message: `the report of this run is in ${reportDir}` }),
    // What was asked for is the artifact.
    ({ message }: Error) => events.emit({ type: "log", level: "warn", step, message: `no report: ${message}` }),
  );
}

const COUNTED_NOTE =
  "the servers return no ids: prompts are rendered and answers encoded here, held against the servers' counts, and every turn is marked `counted`; tokenize refuses such turns unless countedIds: keep";

interface Own extends Pick<CrewParts, "own" | "prompts"> {
  terms: Pick<Terms, "check" | "own">;
}

/** Loaded only when asked for: the tokenizer is a large native library. */
async function ownModel(options: RegenerateOptions, note: CrewParts["note"]): Promise<Own> {
  if (options.model === undefined) {
    return { own: undefined, prompts: undefined, terms: { check: undefined, own: undefined } };
  }
  const [{ PromptCheck }, { OwnModel, probeDialogue }] = await Promise.all([
    import("./prompt-check.js"),
    import("./own-ids.js"),
  ]);
  const own = await OwnModel.open(options.model, templateKwargs(options) as JsonObject);
  const prompts = new PromptCheck(own, note);
  const check: Terms["check"] = (probe, withImage) => prompts.checkProbe(probe, withImage);
  if (options.idSource !== "count") return { own: undefined, prompts, terms: { check, own: undefined } };
  return { own, prompts, terms: { check, own: (withImage) => own.idsFor(probeDialogue(withImage), undefined) } };
}

function totalOf(input: InputArtifact, limit: number | undefined): number | undefined {
  const { kept } = input.manifest.counts;
  return kept === undefined ? undefined : Math.min(kept, limit ?? Infinity);
}

/** The crew checks the shape of those that it asks: a continuation passes over the others as fast as it can. */
async function* readDialogues(root: string, limit: number | undefined): AsyncGenerator<Dialogue> {
  let count = 0;
  for await (const { value } of readJsonl(join(root, "dialogues.jsonl"))) {
    if (count >= (limit ?? Infinity)) return;
    count += 1;
    yield value as unknown as Dialogue;
  }
}

/** @param notChosen - counts those that are left out, by reason */
async function* choose(
  dialogues: AsyncIterable<Dialogue>,
  selection: Selection,
  notChosen: Partial<Record<NotChosen, number>> = {},
): AsyncGenerator<Chosen> {
  for await (const dialogue of dialogues) {
    const digest = dialogueDigest(dialogue);
    const reason = selection.judge(dialogue, digest);
    if (reason === undefined) yield { dialogue, digest };
    else notChosen[reason] = (notChosen[reason] ?? 0) + 1;
  }
}

async function* digestsOf(chosen: AsyncIterable<Chosen>, signal: AbortSignal): AsyncGenerator<string> {
  for await (const { digest } of chosen) {
    if (signal.aborted) throw new DraftsmithError("INTERRUPTED", "stopped while answers were put in order");
    yield digest;
  }
}

/** What later stages need to know; no addresses, no times, nothing that differs between equal runs. */
function factsOf(options: RegenerateOptions, fleet: Fleet, own: OwnModel | undefined): JsonObject {
  const { identity, probe } = fleet.reference;
  const text = options.systemPrompt.text ?? null;
  const model = identityFacts(identity);
  // They decide the ids then; otherwise the server's are kept whatever lies in the directory.
  const counting = probe.idSource === "count" && own !== undefined ? { countedWith: own.fingerprints } : {};
  return {
    systemPrompt: { policy: options.systemPrompt.policy, text, sha256: text === null ? null : sha256(text) },
    chatTemplateKwargs: templateKwargs(options) as JsonObject,
    sampling: { ...GREEDY },
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

function checkShares(account: Account, options: RegenerateOptions): void {
  const { failed } = account.byStatus;
  if (failed > account.read * options.maxFailedShare) throw tooManyFailures(failed, account.read, options);
  if (account.kept === 0) {
    const reasons = Object.entries(account.rejected).map(([reason, count]) => `${reason} ${count}`);
    throw new DraftsmithError("DATA_EMPTY", `no dialogue of ${account.read} got an answer: ${reasons.join(", ")}`);
  }
}
