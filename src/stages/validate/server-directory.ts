/** The server's model directory, if the server runs on this machine, compared with ours. */
import { stat } from "node:fs/promises";
import { basename, isAbsolute, join } from "node:path";
import { canonicalJson, isDraftsmithError } from "../../base/index.js";
import { type ModelDirectory, openModel, type ProcessorSettings } from "../../model/index.js";
import type { ServerIdentity } from "../../sglang/index.js";
import type { Subject } from "./subject.js";

/** Undefined unless the server is on loopback: a path on another machine says nothing about ours. */
export async function openServerDirectory(
  identity: ServerIdentity,
  address: string,
): Promise<ModelDirectory | undefined> {
  const path = identity.modelPath;
  if (path === undefined || !isAbsolute(path) || !isLoopback(address)) return undefined;
  if (!(await stat(join(path, "config.json")).catch(() => undefined))?.isFile()) return undefined;
  try {
    return await openModel(path);
  } catch (error) {
    if (!isDraftsmithError(error)) throw error;
    return undefined;
  }
}

export function checkServerDirectory(subject: Subject, identity: ServerIdentity, theirs: ModelDirectory): void {
  const { findings, model } = subject;
  const say = (field: string, message: string): void => {
    findings.add({ check: "server", severity: "error", message, place: { field } });
  };
  // A template given on the command line replaces that of the directory.
  const ownTemplate = identity.settings?.chat_template === undefined;
  if (ownTemplate && theirs.fingerprints.template !== model.fingerprints.template) {
    say("chat_template", `the server's chat template is ${hashes(theirs, model, "template")}`);
  }
  if (!sameTokenizer(theirs, model)) {
    say("tokenizer.json", `the server's tokenizer is ${hashes(theirs, model, "tokenizer")}`);
  }
  for (const [name, here, there] of settingsApart(model.processor, theirs.processor)) {
    say(
      name,
      `the server's image processor has ${name} ${there}, the model directory ${basename(model.dir)} has ${here}`,
    );
  }
  const [ours, others] = [model.specialIds.stop, theirs.specialIds.stop].map((ids) => ids.join(", "));
  if (ours !== others) say("eos_token_id", `the server stops at the ids ${others}, the model directory at ${ours}`);
}

function isLoopback(address: string): boolean {
  const { hostname } = new URL(address);
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d+){3}$/.test(hostname);
}

/** Compares what transformers makes of the files, since some tokenizer classes ignore parts of them. */
function sameTokenizer(theirs: ModelDirectory, ours: ModelDirectory): boolean {
  if (theirs.fingerprints.tokenizer === ours.fingerprints.tokenizer) return true;
  const [a, b] = [theirs, ours].map(({ tokenizer }) => canonicalJson(JSON.parse(tokenizer.effectiveJson)));
  return a === b;
}

function hashes(theirs: ModelDirectory, ours: ModelDirectory, key: "template" | "tokenizer"): string {
  const [a, b] = [theirs, ours].map((model) => model.fingerprints[key].slice(0, 12));
  return `${a}, that of the model directory ${basename(ours.dir)} is ${b}`;
}

function settingsApart(ours: ProcessorSettings, theirs: ProcessorSettings): [string, string, string][] {
  return (Object.keys(ours) as (keyof ProcessorSettings)[])
    .map((key): [string, string, string] => [key, JSON.stringify(ours[key]), JSON.stringify(theirs[key])])
    .filter(([, here, there]) => here !== there);
}
