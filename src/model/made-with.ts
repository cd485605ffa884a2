/** Checks whether data was made with the files of a model directory. */
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

/** The recorded fingerprints that differ from the model directory's. */
export function madeWithOthers(facts: JsonObject, fingerprints: ModelFingerprints): MadeWith[] {
  return madeWith(facts, fingerprints).filter(({ theirs, ours }) => theirs !== ours);
}

/** @param facts - an artifact's facts, or the metadata of its Arrow files, which shards keep as `rows`; fingerprints that were not recorded are left out */
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
