/** Looks at servers before they get work: do they answer, hold the right model, and agree with each other? */
import { DraftsmithError } from "../../../base/index.js";
import {
  findRisks,
  identityDifferences,
  longestPrompt,
  NotAServer,
  type OwnIds,
  type Probe,
  probeServer,
  type ServerClient,
  type ServerIdentity,
  servesModel,
  TransportFault,
} from "../../../sglang/index.js";
import { type RegenerateOptions, templateKwargs } from "../options.js";

export type Inspection =
  | { state: "fit"; identity: ServerIdentity; probe: Probe }
  /** Nothing to hold against it; it may come later. */
  | { state: "away"; trouble: string }
  | ({ state: "unfit" } & Objection);

export interface Objection {
  trouble: string;
  hint: string;
  /** The place, for people: two renderings side by side. */
  frame?: string;
}

/** Holds a probe's prompt against our own rendering; undefined where the two are equal. */
export type ProbeCheck = (probe: Probe, withImage: boolean) => Promise<Objection | undefined>;

/** What servers are held against before there are others. */
export interface Terms {
  options: RegenerateOptions;
  /** Undefined without a model directory. */
  check: ProbeCheck | undefined;
  /** What the probe renders to here; undefined unless ids may come by count. */
  own: ((withImage: boolean) => OwnIds) | undefined;
}

/** What all servers of a run have in common, taken from the first one that is fit. */
export interface Reference {
  name: string;
  identity: ServerIdentity;
  probe: Probe;
}

/** A probe is a few tokens; a server that takes longer is loading or stuck. */
const PROBE_TIMEOUT_MS = 120_000;

/** Looks at one server by itself: whether it answers, what it serves, how it is set up, whether ids come back. */
export async function inspect(client: ServerClient, terms: Terms): Promise<Inspection> {
  const { options } = terms;
  let identity: ServerIdentity;
  try {
    if ((await client.isReady()) === false)
      return { state: "away", trouble: `${client.name} answers 503: it is starting or draining` };
    identity = await client.identify();
  } catch (error) {
    if (error instanceof TransportFault || error instanceof NotAServer)
      return { state: "away", trouble: error.message };
    throw error;
  }
  const objection = wrongModel(identity, options) ?? risky(identity, options) ?? tooSmall(identity, options);
  if (objection !== undefined) return { state: "unfit", ...objection };
  try {
    return await probe(client, identity, terms);
  } catch (error) {
    if (error instanceof TransportFault) return { state: "away", trouble: error.message };
    throw error;
  }
}

async function probe(client: ServerClient, identity: ServerIdentity, terms: Terms): Promise<Inspection> {
  const { options, check, own } = terms;
  const result = await probeServer(client, {
    idSource: options.idSource,
    templateKwargs: templateKwargs(options),
    timeoutMs: PROBE_TIMEOUT_MS,
    withImage: identity.understandsImages,
    own: own?.(identity.understandsImages),
  });
  if ("problem" in result) {
    const { verdict, problem } = result;
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
    trouble: `its settings change answers in silence: ${list.join("; ")}`,
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

/** Holds a server that is fit by itself against the others of the run. */
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
  if (reference.probe.rendering === probe.rendering) return inspection;
  return {
    state: "unfit",
    trouble: `it renders the same question to other prompt ids than ${reference.name}`,
    hint: "give all servers the same checkpoint, chat template and image processor settings",
  };
}

/** Servers may differ in the memory that bounds prompts; which dialogues end as too long then hangs on the server. */
export function limitDifference(name: string, identity: ServerIdentity, reference: Reference): string | undefined {
  const [own, other] = [longestPrompt(identity), longestPrompt(reference.identity)];
  if (own === other) return undefined;
  const words = (limit: number | undefined): string =>
    limit === undefined ? "of unknown length" : `up to ${limit} tokens`;
  return `${name} takes prompts ${words(own)}, ${reference.name} ${words(other)}: which dialogues end as prompt-too-long depends on the server; set tokenLimits.prompt to the smallest`;
}

export function refusal(name: string, objection: Objection): DraftsmithError {
  const { trouble, hint, frame } = objection;
  const more = frame === undefined ? {} : { frame };
  return new DraftsmithError("SERVER_REFUSED", `${name}: ${trouble}`, { hint, ...more });
}

export function unreachable(troubles: readonly string[]): DraftsmithError {
  return new DraftsmithError("SERVER_UNREACHABLE", `no server is ready: ${troubles.join("; ")}`, {
    hint: "start the server, or correct the addresses under `servers`; `curl ADDRESS/v1/models` must list the model",
  });
}
