/** Whether data was made with the files that a model directory has. */
import { isJsonObject, type JsonObject } from "../base/index.js";
import type { ModelFingerprints } from "./open.js";

const NAMES: Record<keyof ModelFingerprints, string> = {
  template: "chat template",
  tokenizer: "tokenizer",
  processor: "image processor settings",
  video: "video processor settings",
  config: "config.json",
};

export interface MadeWith {
  key: keyof ModelFingerprints;
  /** For people. */
  name: string;
  theirs: string;
  ours: string;
}

/** What differs among what is recorded. */
export function madeWithOthers(facts: JsonObject, fingerprints: ModelFingerprints): MadeWith[] {
  return madeWith(facts, fingerprints).filter(({ theirs, ours }) => theirs !== ours);
}

/** @param facts - an artifact's facts, or the metadata of its Arrow files, which shards keep as `rows`; what they do not record is left out */
export function madeWith(facts: JsonObject, fingerprints: ModelFingerprints): MadeWith[] {
  const made = isJsonObject(facts.rows) ? facts.rows : facts;
  const recorded = isJsonObject(made.model) ? made.model : {};
  return (Object.keys(NAMES) as (keyof ModelFingerprints)[]).flatMap((key) => {
    const theirs = recorded[key] ?? (key === "template" ? made.templateSha256 : undefined);
    const ours = fingerprints[key];
    if (typeof theirs !== "string") return [];
    return [{ key, name: NAMES[key], theirs, ours: ours ?? "none" }];
  });
}
