/** Inspects servers before they get work: do they answer, serve the right model, and agree with each other? */
import { accessHint, DraftsmithError, defined } from "../../../base/index.js";
import {
  AccessDenied,
  findRisks,
  type ImageSize,
  identityDifferences,
  LARGE_PROBE_IMAGE,
  type LocalIds,
  longestPrompt,
  NotAServer,
  type Probe,
  type ProbeResult,
  probeServer,
  type ServerClient,
  type ServerIdentity,
  servesModel,
  TransportFault,
} from "../../../sglang/index.js";
import { type RegenerateOptions, templateKwargs } from "../options.js";

export type Inspection =
  | { state: "fit"; identity: ServerIdentity; probe: Probe }
  /** Nothing is known to be wrong with it; it may come later. `hint`: what to do about a refused API key. */
  | { state: "away"; trouble: string; hint?: string }
  | ({ state: "unfit" } & Objection);

export interface Objection {
  trouble: string;
  hint: string;
  /** Two renderings side by side. */
  frame?: string;
}

/** Compares a probe's prompts with the local rendering; undefined where they are equal. */
export type ProbeCheck = (probe: Probe, withImage: boolean) => Promise<Objection | undefined>;

/** What each server must satisfy by itself. */
export interface Terms {
  options: RegenerateOptions;
  /** Undefined without a model directory. */
  check: ProbeCheck | undefined;
  /** What the probe renders to here; undefined unless ids may come by count. */
  local: ((image: ImageSize | undefined) => LocalIds) | undefined;
}

/** What all servers of a run must have in common, taken from the first one that is fit. */
export interface Reference {
  name: string;
  identity: ServerIdentity;
  probe: Probe;
}

/** A probe is a small prompt and four tokens; a server that takes longer is loading or stuck. */
export const PROBE_TIMEOUT_MS = 120_000;

/** Inspects one server by itself: whether it answers, what it serves, its settings, whether ids come back. */
export async function inspect(client: ServerClient, terms: Terms): Promise<Inspection> {
  const { options } = terms;
  let identity: ServerIdentity;
  try {
    if ((await client.isReady()) === false)
      return { state: "away", trouble: `${client.name} answers 503: it is starting or draining` };
    identity = await client.identify();
  } catch (error) {
    if (error instanceof AccessDenied) return denied(error.message, options);
    if (error instanceof TransportFault || error instanceof NotAServer)
      return { state: "away", trouble: error.message };
    throw error;
  }
  const objection = wrongModel(identity, options) ?? risky(identity, options) ?? tooSmall(identity, options);
  if (objection !== undefined) return { state: "unfit", ...objection };
  return inspectRendering(client, identity, terms);
}

/**
 * The part of an inspection that asks questions.
 *
 * @param identity - as the server last reported it
 */
export async function inspectRendering(
  client: ServerClient,
  identity: ServerIdentity,
  terms: Terms,
): Promise<Inspection> {
  const { options, check, local } = terms;
  let result: ProbeResult;
  try {
    result = await probeServer(client, {
      idSource: options.idSource,
      templateKwargs: templateKwargs(options),
      timeoutMs: PROBE_TIMEOUT_MS,
      withImage: identity.understandsImages,
      local,
    });
  } catch (error) {
    // /tokenize does not answer.
    if (error instanceof TransportFault) return { state: "away", trouble: error.message };
    throw error;
  }
  if ("problem" in result) {
    const { verdict, problem } = result;
    if (verdict.kind === "transient" && verdict.denied === true) return denied(`${client.name}: ${problem}`, options);
    if (verdict.kind === "transient" && verdict.reason !== "ids-missing") return { state: "away", trouble: problem };
    const counts = options.idSource === "count";
    return {
      state: "unfit",
      trouble: counts ? `its ids cannot be counted: ${problem}` : `it does not return exact ids: ${problem}`,
      hint: counts
        ? "serve the checkpoint of `model`, with its chat template and processor settings, and a `usage` in every answer"
        : "use SGLang 0.5.17 or newer, or vLLM, without a proxy that drops fields; or allow idSource: count",
    };
  }
  const objection = await check?.(result.probe, identity.understandsImages);
  if (objection !== undefined) return { state: "unfit", ...objection };
  return { state: "fit", identity, probe: result.probe };
}

/** What is wrong with a server that is away, and what to do about it where that is known. */
export function troubleOf({ trouble, hint }: Extract<Inspection, { state: "away" }>): string {
  return hint === undefined ? trouble : `${trouble}; ${hint}`;
}

function denied(trouble: string, { apiKeyEnv }: RegenerateOptions): Inspection {
  return { state: "away", trouble, hint: accessHint(apiKeyEnv) };
}

function wrongModel(identity: ServerIdentity, options: RegenerateOptions): Objection | undefined {
  const { expectModel } = options;
  if (expectModel === undefined || servesModel(identity, expectModel)) return undefined;
  const path = identity.modelPath === undefined ? "" : ` (${identity.modelPath})`;
  return {
    trouble: `it serves ${identity.servedModelName}${path}, but expectModel is ${expectModel}`,
    hint: "start the server with the expected model, or correct expectModel",
  };
}

function risky(identity: ServerIdentity, options: RegenerateOptions): Objection | undefined {
  const risks = findRisks(identity).filter((risk) => !options.allowSettings.includes(risk.name));
  if (risks.length === 0) return undefined;
  const list = risks.map(
    ({ name, value, why }) => `${name}${value === null ? "" : ` = ${JSON.stringify(value)}`} (${why})`,
  );
  return {
    trouble: `its settings change answers silently: ${list.join("; ")}`,
    hint: `start the server without them, or accept them: allowSettings: [${risks.map(({ name }) => name).join(", ")}]`,
  };
}

function tooSmall(identity: ServerIdentity, options: RegenerateOptions): Objection | undefined {
  const { contextLength } = identity;
  if (contextLength === undefined || options.maxNewTokens < contextLength) return undefined;
  return {
    trouble: `its context of ${contextLength} tokens leaves no room for maxNewTokens: ${options.maxNewTokens}`,
    hint: `lower maxNewTokens, or start the server with a longer context`,
  };
}

/** Compares a server that is fit by itself with the others of the run. */
export function compared(inspection: Inspection, reference: Reference): Inspection {
  if (inspection.state !== "fit") return inspection;
  const { identity, probe } = inspection;
  const differences = identityDifferences(reference.identity, identity).map(
    ({ field, one, other }) => `${field} is ${JSON.stringify(other)}, not ${JSON.stringify(one)}`,
  );
  if (reference.probe.idSource !== probe.idSource) {
    differences.push(`ids come by ${probe.idSource}, not by ${reference.probe.idSource}`);
  }
  if (differences.length > 0) {
    return {
      state: "unfit",
      trouble: `it differs from ${reference.name}: ${differences.join("; ")}`,
      hint: "all servers of a run must serve the same model in the same way; leave this one out or restart it alike",
    };
  }
  const hint = "give all servers the same checkpoint, chat template and image processor settings";
  if (reference.probe.rendering !== probe.rendering) {
    const trouble = `it renders the same question to other prompt ids than ${reference.name}`;
    return { state: "unfit", trouble, hint };
  }
  const [large, other] = [probe.large, reference.probe.large];
  if (large === undefined || other === undefined || large.rendering === other.rendering) return inspection;
  const [ids, wanted] = [large.promptIds.length, other.promptIds.length];
  const { width, height } = LARGE_PROBE_IMAGE;
  return {
    state: "unfit",
    trouble: `it renders a question with an image of ${width}x${height} pixels to ${ids} ids, ${reference.name} to ${wanted}: their image processors differ, perhaps in max_pixels`,
    hint,
  };
}

/** Servers may differ in memory, which bounds prompts: which dialogues end as too long then depends on the server. */
export function limitDifference(name: string, identity: ServerIdentity, reference: Reference): string | undefined {
  const [own, other] = [longestPrompt(identity), longestPrompt(reference.identity)];
  if (own === other) return undefined;
  const words = (limit: number | undefined): string =>
    limit === undefined ? "of unknown length" : `up to ${limit} tokens`;
  return `${name} takes prompts ${words(own)}, ${reference.name} ${words(other)}: which dialogues end as prompt-too-long depends on the server; set tokenLimits.prompt to the lower limit`;
}

export function refusal(name: string, objection: Objection): DraftsmithError {
  const { trouble, hint, frame } = objection;
  return new DraftsmithError("SERVER_REFUSED", `${name}: ${trouble}`, { hint, ...defined({ frame }) });
}

/** @param hint - what to do, where one is known */
export function unreachable(troubles: readonly string[], hint?: string): DraftsmithError {
  return new DraftsmithError("SERVER_UNREACHABLE", `no server is ready: ${troubles.join("; ")}`, {
    hint:
      hint ??
      "start the server, or correct the addresses under `servers`; `curl ADDRESS/v1/models` must list the model",
  });
}
