/** The stage: servers, journal, crew, merge. */
import { join } from "node:path";
import type { ManifestDraft } from "../../artifacts/index.js";
import { readJsonl } from "../../artifacts/jsonl-reader.js";
import { DraftsmithError, type JsonObject, sha256 } from "../../base/index.js";
import { type Dialogue, dialogueDigest } from "../../dialogue/index.js";
import { GREEDY, identityFacts } from "../../sglang/index.js";
import type { InputArtifact, StageContext } from "../stage.js";
import { Crew, type CrewParts, tooManyFailures } from "./crew.js";
import { Fleet } from "./fleet.js";
import { ImageStore } from "./image-store.js";
import { Ledger } from "./ledger.js";
import { type Account, merge } from "./merge.js";
import { NEUTRAL_OPTIONS, type RegenerateOptions, templateKwargs } from "./options.js";
import type { PromptCheck } from "./prompt-check.js";
import { recheck } from "./recheck.js";
import { Tally } from "./tally.js";

export async function run(
  options: RegenerateOptions,
  inputs: Record<"dialogues", InputArtifact | undefined>,
  context: StageContext,
): Promise<ManifestDraft> {
  const input = inputs.dialogues;
  if (input === undefined) throw new DraftsmithError("INPUT_MISSING", "regenerate needs a dialogues artifact");
  const { events, step, signal } = context;
  const total = totalOf(input, context.limit);
  const note = (level: "info" | "warn", message: string): void => events.emit({ type: "log", level, step, message });
  const prompts = await promptCheck(options, note);
  const fleet = await Fleet.open(options, { note });
  const tally = new Tally(step, events, total, () => fleet.members);
  try {
    const { name, probe, identity } = fleet.reference;
    await prompts?.checkProbe(name, probe, identity.understandsImages);
    const facts = factsOf(options, fleet);
    const ledger = await Ledger.open(join(context.resumeDir, "journal.jsonl"), settingsOf(options, facts, fleet));
    try {
      if (ledger.damagedLines > 0)
        note("warn", `${ledger.damagedLines} lines of the journal are damaged; their answers are asked again`);
      const images = new ImageStore(input.path);
      const parts = { options, fleet, ledger, images, tally, prompts, total, signal, note };
      const dialogues = (): AsyncGenerator<Dialogue> => readDialogues(input.path, context.limit);
      tally.start();
      await new Crew(parts).run(dialogues());
      await ledger.refresh();
      const checked = await recheck(parts, dialogues());
      tally.phase = "putting answers in order";
      const account = await merge(ledger, digestsOf(dialogues(), signal), context.workDir);
      tally.phase = "";
      checkShares(account, options);
      return { counts: countsOf(account, checked), facts: { ...facts, summary: summaryOf(account) } };
    } finally {
      tally.stop();
      await ledger.close();
    }
  } finally {
    await fleet.close();
  }
}

/** Loaded only when asked for: the tokenizer is a large native library. */
async function promptCheck(options: RegenerateOptions, note: CrewParts["note"]): Promise<PromptCheck | undefined> {
  if (options.model === undefined) return undefined;
  const { PromptCheck } = await import("./prompt-check.js");
  return PromptCheck.open(options.model, templateKwargs(options) as JsonObject, note);
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

async function* digestsOf(dialogues: AsyncIterable<Dialogue>, signal: AbortSignal): AsyncGenerator<string> {
  for await (const dialogue of dialogues) {
    if (signal.aborted) throw new DraftsmithError("INTERRUPTED", "stopped while answers were put in order");
    yield dialogueDigest(dialogue);
  }
}

/** What later stages need to know; no addresses, no times, nothing that differs between equal runs. */
function factsOf(options: RegenerateOptions, fleet: Fleet): JsonObject {
  const { identity, probe } = fleet.reference;
  const text = options.systemPrompt.text ?? null;
  return {
    systemPrompt: { policy: options.systemPrompt.policy, text, sha256: text === null ? null : sha256(text) },
    chatTemplateKwargs: templateKwargs(options) as JsonObject,
    sampling: { ...GREEDY },
    maxNewTokens: options.maxNewTokens,
    model: identityFacts(identity),
    engine: identity.dialect,
    idSource: probe.idSource,
    /** sha256 of the prompt ids of a fixed probe: two runs with another one had another template or processor. */
    probeRendering: probe.rendering,
  };
}

/** Everything that decides what the answers are: a journal written under other settings is not continued. */
function settingsOf(options: RegenerateOptions, facts: JsonObject, fleet: Fleet): JsonObject {
  // A model directory may move; what it holds shows in the rendering of the probe.
  const neutral: readonly string[] = [...NEUTRAL_OPTIONS, "model"];
  const own = Object.entries(options).filter(([name]) => !neutral.includes(name));
  return {
    ...Object.fromEntries(own),
    model: facts.model!,
    probeRendering: fleet.reference.probe.rendering,
  } as JsonObject;
}

function checkShares(account: Account, options: RegenerateOptions): void {
  const { failed } = account.byStatus;
  if (failed > account.read * options.maxFailedShare) throw tooManyFailures(failed, account.read, options);
  if (account.kept === 0) {
    const reasons = Object.entries(account.rejected).map(([reason, count]) => `${reason} ${count}`);
    throw new DraftsmithError("DATA_EMPTY", `no dialogue of ${account.read} got an answer: ${reasons.join(", ")}`);
  }
}

function countsOf(account: Account, checked: JsonObject | undefined): ManifestDraft["counts"] {
  const { read, kept, rejected, byStatus, partial, turns, promptTokens, responseTokens } = account;
  const { done, failed } = byStatus;
  const counts = { read, kept, rejected, done, partial, failed, turns, promptTokens, responseTokens };
  return checked === undefined ? counts : { ...counts, recheck: checked };
}

function summaryOf(account: Account): JsonObject[] {
  const { kept, read, turns, responseTokens, promptTokens } = account;
  return [
    { label: "dialogues answered", value: `${kept} of ${read}` },
    { label: "turns", value: String(turns) },
    { label: "prompt / answer tokens", value: `${promptTokens} / ${responseTokens}` },
  ];
}
