/** Joins the parts of a run in the order of the dialogues; the rows equal those of an undivided run. */
import { join } from "node:path";
import { type ManifestDraft, openJsonlWriter, readSealed } from "../../artifacts/index.js";
import { DraftsmithError, defined, isJsonObject, type JsonObject } from "../../base/index.js";
import {
  type Account,
  accountCounts,
  accountSummary,
  type Dialogue,
  dialogueDigest,
  emptyAccount,
  enter,
  isKept,
  partitionOf,
} from "../../dialogue/index.js";
import type { InputArtifact, StageContext } from "../stage.js";
import { PartEnds } from "./ends.js";
import type { MergeOptions } from "./options.js";
import { openParts, type Part, refused, sharedFacts } from "./parts.js";

const EVERY_MS = 500;

export async function runMerge(
  options: MergeOptions,
  inputs: Record<"dialogues", InputArtifact | undefined>,
  context: StageContext,
): Promise<ManifestDraft> {
  const input = inputs.dialogues;
  if (input === undefined) throw new DraftsmithError("INPUT_MISSING", "merge needs a dialogues artifact");
  if (context.limit !== undefined) {
    throw new DraftsmithError("OPTIONS_INVALID", "merge takes no --limit: it puts whole parts together", {
      hint: "give --limit to the parts",
    });
  }
  const parts = await openParts(options.parts, input.manifest);
  const facts = sharedFacts(parts[0]!);
  const choice = isJsonObject(facts.selection) ? facts.selection : undefined;
  const { account, passed } = await putTogether(parts, input, choice, context);
  const rechecked = recheckOf(parts);
  const counts = {
    ...accountCounts(account),
    ...(passed === 0 ? {} : { notChosen: { selection: passed } }),
    ...defined({ recheck: rechecked }),
  };
  return { counts, facts: { ...facts, summary: accountSummary(account) } };
}

async function putTogether(
  parts: readonly Part[],
  input: InputArtifact,
  choice: JsonObject | undefined,
  { workDir, signal, events, step }: StageContext,
): Promise<{ account: Account; passed: number }> {
  const account = emptyAccount();
  const total = input.manifest.counts.kept;
  let passed = 0;
  let shown = 0;
  const ends: PartEnds[] = [];
  const writers = [];
  try {
    for (const part of parts) ends.push(await PartEnds.open(part));
    const generations = await openJsonlWriter(join(workDir, "generations.jsonl"));
    writers.push(generations);
    const rejected = await openJsonlWriter(join(workDir, "rejected.jsonl"));
    writers.push(rejected);
    const report = (): void => {
      const done = account.read + passed;
      events.emit({ type: "step-progress", step, done, ...defined({ total }), unit: "dialogues" });
    };
    for await (const dialogue of readSealed<Dialogue>(join(input.path, "dialogues.jsonl"))) {
      if (signal.aborted) throw new DraftsmithError("INTERRUPTED", "stopped while parts were put together");
      const digest = dialogueDigest(dialogue);
      const index = partitionOf(digest, parts.length);
      const row = await ends[index]!.take(digest);
      if (row !== undefined) {
        enter(account, row);
        await (isKept(row) ? generations : rejected).write(row);
      } else if (choice !== undefined) passed += 1;
      else throw withoutEnd(parts[index]!, dialogue.id);
      if (Date.now() - shown > EVERY_MS) {
        shown = Date.now();
        report();
      }
    }
    for (const each of ends) each.checkDone();
    checkChoice(account, choice, input);
    await generations.close();
    await rejected.close();
    report();
    return { account, passed };
  } catch (error) {
    await Promise.allSettled(writers.map((writer) => writer.discard()));
    throw error;
  } finally {
    await Promise.all(ends.map((each) => each.close()));
  }
}

function withoutEnd({ path, partition }: Part, id: string): DraftsmithError {
  const part = `part ${partition.index}/${partition.count}`;
  return refused(path, `dialogue ${id} has no end in ${part}`, "run this part again, then merge again");
}

/** With a sample or a list of ids, the number chosen tells dialogues that were left out from missing ones. */
function checkChoice({ read }: Account, choice: JsonObject | undefined, { path, manifest }: InputArtifact): void {
  if (choice === undefined) return;
  const chosen = choice.chosen ?? Math.min(Number(choice.limit), manifest.counts.kept ?? Infinity);
  if (chosen === read) return;
  throw refused(path, `the parts hold ${read} dialogues, but ${chosen} were chosen`, "run the parts again");
}

/** Agreement over all parts, without the median of first differences, which does not follow from the parts' medians. */
function recheckOf(parts: readonly Part[]): JsonObject | undefined {
  const checks = parts.map(({ manifest }) => manifest.counts.recheck).filter(isJsonObject);
  if (checks.length === 0) return undefined;
  const sum = (name: string): number => checks.reduce((total, check) => total + Number(check[name] ?? 0), 0);
  const firsts = checks.flatMap(({ firstDifference }) => {
    const earliest = isJsonObject(firstDifference) ? firstDifference.earliest : null;
    return typeof earliest === "number" ? [earliest] : [];
  });
  const earliest = firsts.length === 0 ? null : Math.min(...firsts);
  return { turns: sum("turns"), equal: sum("equal"), firstDifference: { earliest } };
}
