/** Compares what an artifact was made with against the model directory and the declared options. */
import { canonicalJson, isJsonObject, type JsonObject } from "../../base/index.js";
import { type TemplateOptions, templateArguments } from "../../dialogue/index.js";
import { madeWith } from "../../model/index.js";
import type { EffectiveKwargs, Subject } from "./subject.js";

/**
 * @param facts - an artifact's facts, or the metadata of its Arrow files
 * @param artifact - name of the input
 * @param where - file or artifact, for people
 */
export function checkFingerprints(
  { model, findings, kwargs, kwargsFrom }: Subject,
  facts: JsonObject,
  artifact: string,
  where = artifact,
): void {
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

const SWITCH: Record<string, string> = { true: "on", false: "off" };

/** Shards keep the facts of their rows as `rows`. */
function kwargsOf(facts: JsonObject): JsonObject | undefined {
  const { chatTemplateKwargs } = isJsonObject(facts.rows) ? facts.rows : facts;
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
