/** Compares what an artifact was made with against the model directory and the declared options. */
import { canonicalJson, isJsonObject, type JsonObject } from "../../base/index.js";
import {
  type HistoryOption,
  historyWords,
  recordedHistory,
  type TemplateOptions,
  templateArguments,
} from "../../dialogue/index.js";
import { madeWith } from "../../model/index.js";
import type { EffectiveHistory, EffectiveKwargs, Subject } from "./subject.js";

/**
 * @param facts - an artifact's facts, or the metadata of its Arrow files
 * @param artifact - name of the input
 * @param where - file or artifact, for people
 */
export function checkFingerprints(subject: Subject, facts: JsonObject, artifact: string, where = artifact): void {
  const { model, findings, kwargs, kwargsFrom } = subject;
  for (const { key, name, theirs, ours } of madeWith(facts, model.fingerprints)) {
    findings.look("fingerprint");
    if (theirs === ours) continue;
    findings.add({
      check: "fingerprint",
      // Another version may save the same config with other bytes; only the other files determine ids.
      severity: key === "config" ? "warning" : "error",
      message: `${where} was made with another ${name} (${theirs.slice(0, 12)}) than ${model.dir} has (${ours.slice(0, 12)})`,
      place: { file: where, field: `model.${key}` },
    });
  }
  checkHistory(subject, facts, artifact, where);
  const made = kwargsOf(facts);
  // If no arguments are declared, this artifact supplied them, and comparing it with itself proves nothing.
  if (made !== undefined && artifact !== kwargsFrom) findings.look("template-arguments");
  if (made !== undefined && canonicalJson(made) !== canonicalJson(kwargs)) {
    const [data, declared] = [made, kwargs].map(
      ({ enable_thinking: on }) => SWITCH[String(on)] ?? "left to the template",
    );
    const thinking = data === declared ? "" : `: thinking is ${data} in the data, ${declared} in the declaration`;
    findings.add({
      check: "template-arguments",
      severity: "error",
      message: `${where} was made with the template arguments ${canonicalJson(made)}, but ${canonicalJson(kwargs)} are declared${thinking}`,
      place: { file: where, field: "chatTemplateKwargs" },
    });
  }
}

/** As with the arguments: an artifact that supplied the history is not compared with itself. */
function checkHistory(
  { findings, history, historyFrom }: Subject,
  facts: JsonObject,
  artifact: string,
  where: string,
): void {
  const made = recordedHistory(madeFacts(facts));
  if (made === undefined) return;
  if (artifact !== historyFrom) findings.look("history");
  if (canonicalJson(made) === canonicalJson(history)) return;
  findings.add({
    check: "history",
    severity: "error",
    message: `the prompts of ${where} carry ${historyWords(made)}, but ${historyWords(history)} is declared`,
    place: { file: where, field: "history" },
  });
}

const SWITCH: Record<string, string> = { true: "on", false: "off" };

/** Shards keep the facts of their rows as `rows`. */
function madeFacts(facts: JsonObject): JsonObject {
  return isJsonObject(facts.rows) ? facts.rows : facts;
}

function kwargsOf(facts: JsonObject): JsonObject | undefined {
  const { chatTemplateKwargs } = madeFacts(facts);
  return isJsonObject(chatTemplateKwargs) ? chatTemplateKwargs : undefined;
}

/** Template arguments in force: the declared ones, else those of the first input that records any. */
export function effectiveKwargs(
  declared: TemplateOptions,
  inputs: readonly { name: string; facts: JsonObject }[],
): EffectiveKwargs {
  const first = inputs.find(({ facts }) => kwargsOf(facts) !== undefined);
  const recorded = first === undefined ? {} : kwargsOf(first.facts)!;
  const isDeclared = declared.thinking !== undefined || declared.chatTemplateKwargs !== undefined;
  return { kwargs: templateArguments(declared, recorded), from: isDeclared ? undefined : first?.name };
}

/** The history in force: the declared one, else that of the first input that records one, else all. */
export function effectiveHistory(
  declared: { history?: HistoryOption | undefined },
  inputs: readonly { name: string; facts: JsonObject }[],
): EffectiveHistory {
  if (declared.history !== undefined) return { history: declared.history, historyFrom: undefined };
  for (const { name, facts } of inputs) {
    const history = recordedHistory(madeFacts(facts));
    if (history !== undefined) return { history, historyFrom: name };
  }
  return { history: "all", historyFrom: undefined };
}
