/** What a server says about itself: enough to know that two servers would answer alike, nothing secret. */
import type { JsonObject, JsonValue } from "../base/index.js";
import type { DialectName } from "./dialect.js";

export interface ServerIdentity {
  dialect: DialectName;
  /** The name that requests must carry. */
  servedModelName: string;
  modelPath: string | undefined;
  modelType: string | undefined;
  architectures: string[] | undefined;
  weightVersion: string | undefined;
  /** Tokens of prompt and answer together. */
  contextLength: number | undefined;
  engineVersion: string | undefined;
  /** False for text-only targets. */
  understandsImages: boolean;
  /** Layers whose outputs /generate returns on request; undefined where it returns none, or does not say which. */
  stateLayers?: number[] | undefined;
  /** The settings named in KEPT_SETTINGS; undefined where the server does not tell (vLLM outside its dev mode). */
  settings: JsonObject | undefined;
}

/**
 * Settings worth keeping, by name: a list of what is wanted rather than of what is secret, because /server_info also
 * holds API keys, a launch command and watermark keys.
 */
const KEPT_SETTINGS = [
  "dtype",
  "quantization",
  "kv_cache_dtype",
  "tokenizer_mode",
  "load_format",
  "revision",
  "chat_template",
  "hf_chat_template_name",
  "json_model_override_args",
  "reasoning_parser",
  "tool_call_parser",
  "preferred_sampling_params",
  "default_chat_template_kwargs",
  "allow_auto_truncate",
  "mm_process_config",
  "image_processor_backend",
  "disable_fast_image_processor",
  "enable_deterministic_inference",
  "speculative_algorithm",
  "speculative_accept_threshold_single",
  "speculative_accept_threshold_acc",
  "enable_watermark",
  "watermark_default_enabled",
  "watermark_enforce_all",
  "max_req_input_len",
] as const;

/** Defaults are left out: versions differ in which settings they know, not in what an unset one does. */
export function keepSettings(info: JsonObject): JsonObject {
  const kept: JsonObject = {};
  for (const name of KEPT_SETTINGS) {
    const value = info[name];
    if (value !== undefined && !isDefault(name, value)) kept[name] = value;
  }
  return kept;
}

function isDefault(name: string, value: JsonValue): boolean {
  if (name.startsWith("speculative_accept_threshold")) return value === 1;
  return [null, false, "", "auto"].includes(value as null) || ["{}", "[]", '"{}"'].includes(JSON.stringify(value));
}

/** Tokens of the longest prompt that the server takes; it depends on the memory of its machine, too. */
export function longestPrompt({ settings }: ServerIdentity): number | undefined {
  const limit = settings?.max_req_input_len;
  // SGLang refuses, or cuts, what is as long as this.
  return typeof limit === "number" ? limit - 1 : undefined;
}

/** Length to which longer prompts are truncated silently; undefined where the server refuses them. */
export function truncationOf({ settings }: ServerIdentity): number | undefined {
  const limit = settings?.max_req_input_len;
  return settings?.allow_auto_truncate === true && typeof limit === "number" ? limit : undefined;
}

/** A model path is a hub name, or a directory that lies elsewhere on every machine: then only its last part counts. */
export function modelBaseName(path: string): string {
  return isHubName(path) ? path : lastPart(path);
}

function isHubName(name: string): boolean {
  return /^[^/\\]+\/[^/\\]+$/.test(name);
}

function lastPart(path: string): string {
  return (
    path
      .replace(/[/\\]+$/, "")
      .split(/[/\\]/)
      .at(-1) ?? path
  );
}

/** Whether the server holds the model that the user named, by served name, path or the path's last part. */
export function servesModel(identity: ServerIdentity, expected: string): boolean {
  const names = [identity.servedModelName, identity.modelPath].filter((name) => name !== undefined);
  const wanted = expected.replace(/[/\\]+$/, "");
  return names.some((name) => {
    if (name === wanted || modelBaseName(name) === modelBaseName(wanted)) return true;
    // A directory may hold a copy of a hub model; two hub names must agree in their owner, too.
    return !(isHubName(name) && isHubName(wanted)) && lastPart(name) === lastPart(wanted);
  });
}

/** Settings that differ between machines without changing any answer's meaning. */
const MAY_DIFFER = new Set(["max_req_input_len", "speculative_algorithm"]);

export interface IdentityDifference {
  field: string;
  one: JsonValue;
  other: JsonValue;
}

/** Fields in which two servers must agree and do not; empty when either may serve any dialogue. */
export function identityDifferences(one: ServerIdentity, other: ServerIdentity): IdentityDifference[] {
  const differences: IdentityDifference[] = [];
  const compare = (field: string, a: JsonValue | undefined, b: JsonValue | undefined): void => {
    const left = a ?? null;
    const right = b ?? null;
    if (JSON.stringify(left) !== JSON.stringify(right)) differences.push({ field, one: left, other: right });
  };
  compare("engine", one.dialect, other.dialect);
  compare("served model name", modelBaseName(one.servedModelName), modelBaseName(other.servedModelName));
  compare("model", one.modelPath && modelBaseName(one.modelPath), other.modelPath && modelBaseName(other.modelPath));
  compare("model type", one.modelType, other.modelType);
  compare("architectures", one.architectures, other.architectures);
  compare("weight version", one.weightVersion, other.weightVersion);
  compare("image understanding", one.understandsImages, other.understandsImages);
  compare("context length", one.contextLength, other.contextLength);
  for (const name of KEPT_SETTINGS) {
    if (!MAY_DIFFER.has(name)) compare(name, one.settings?.[name], other.settings?.[name]);
  }
  return differences;
}

/** What goes into manifests: the same on every machine that serves this model this way. */
export function identityFacts(identity: ServerIdentity): JsonObject {
  const facts: JsonObject = { servedModelName: modelBaseName(identity.servedModelName) };
  if (identity.modelPath !== undefined) facts.modelPath = modelBaseName(identity.modelPath);
  if (identity.weightVersion !== undefined) facts.weightVersion = identity.weightVersion;
  if (identity.modelType !== undefined) facts.modelType = identity.modelType;
  if (identity.settings !== undefined) {
    facts.settings = Object.fromEntries(
      Object.entries(identity.settings).filter(([name]) => !MAY_DIFFER.has(name)),
    ) as JsonObject;
  }
  return facts;
}
