/**
 * Compares the numbers that a server computes with to those that training will load: weights, number format, and cached
 * keys and values. Prompts do not show a difference, captured states do.
 */
import { basename } from "node:path";
import type { Precision } from "../../model/index.js";
import type { ServerIdentity } from "../../sglang/index.js";
import type { Precise } from "./options.js";
import type { Subject } from "./subject.js";

/** Spellings of SGLang and vLLM in torch's words. */
const DTYPES: Readonly<Record<string, string>> = {
  half: "float16",
  fp16: "float16",
  bf16: "bfloat16",
  float: "float32",
  fp32: "float32",
};

/** @param theirs - of the server's own snapshot, where it can be seen; else it is taken to be ours */
export function checkPrecision(subject: Subject, identity: ServerIdentity, theirs: Precision | undefined): void {
  const { settings } = identity;
  if (settings === undefined) return;
  const { findings, options, model } = subject;
  const ours = model.precision;
  const say = (field: Precise, message: string): void => {
    const severity = options.allowPrecision.includes(field) ? "warning" : "error";
    findings.add({ check: "precision", severity, message, place: { field } });
  };
  findings.look("precision", 3);
  const directory = `the model directory ${basename(model.dir)}`;
  const served = { ...(theirs ?? ours) };
  if (typeof settings.quantization === "string") served.quantization = settings.quantization;
  if (methodOf(served.quantization) !== methodOf(ours.quantization)) {
    const message = `the server has ${weights(served.quantization)}, ${directory} ${weights(ours.quantization)}: training would capture states that the server never computes`;
    say("quantization", message);
  }
  const dtype = servedDtype(settings.dtype, served.dtype);
  if (dtype !== null && ours.dtype !== null && !holds(dtype, ours.dtype)) {
    const how = settings.dtype === undefined ? " (its dtype is auto)" : "";
    say("dtype", `the server computes in ${dtype}${how}, which rounds the ${ours.dtype} weights of ${directory}`);
  }
  const cache = settings.kv_cache_dtype;
  if (typeof cache !== "string") return;
  const kept = named(cache);
  if (kept === dtype || (ours.dtype !== null && holds(kept, ours.dtype))) return;
  say("kv_cache_dtype", `the server keeps keys and values as ${kept}, training computes with unrounded ones`);
}

/** The method behind the kernel that runs it: awq_marlin runs awq weights. */
function methodOf(quantization: string | null): string | null {
  return quantization?.toLowerCase().replace(/_(marlin|bitblas|block)$/, "") ?? null;
}

function weights(quantization: string | null): string {
  return quantization === null ? "plain weights" : `${quantization} weights`;
}

/** "auto" (which identities leave out) is the snapshot's own, except that SGLang and vLLM serve float32 as float16. */
function servedDtype(setting: unknown, snapshot: string | null): string | null {
  if (typeof setting === "string") return named(setting);
  return snapshot === "float32" ? "float16" : snapshot;
}

function named(dtype: string): string {
  const lower = dtype.toLowerCase();
  return DTYPES[lower] ?? lower;
}

/** Whether every number of `stored` is one of `served`. */
function holds(served: string, stored: string): boolean {
  return served === stored || served === "float32";
}
