/** Asks a server small questions to see what it really returns: which way gives ids, and what prompts it renders. */
import { defined, type JsonObject, sha256 } from "../base/index.js";
import { ask, type IdSource, type Outcome, type Question } from "./ask.js";
import type { ChatMessage } from "./chat.js";
import type { ServerClient } from "./client.js";
import type { LocalIds } from "./count.js";
import type { Verdict } from "./judge.js";
import { type ImageSize, LARGE_PROBE_IMAGE, probeImage, SMALL_PROBE_IMAGE } from "./probe-image.js";
import { learnSpecialTokens, type SpecialTokens } from "./special.js";

/** A prompt as the server rendered it. */
export interface Rendering {
  promptIds: number[];
  /** sha256 of the prompt ids: servers with equal templates, tokenizers and image processors agree on it. */
  rendering: string;
}

export interface Probe extends Rendering {
  idSource: IdSource;
  /** Where the ids were found, for people. */
  idFields: { prompt: string | undefined; response: string | undefined };
  special: SpecialTokens | undefined;
  /** Of the question with the large image; undefined for text-only targets, and where the server cannot take it. */
  large: Rendering | undefined;
}

export interface ProbeOptions {
  idSource: "auto" | IdSource;
  templateKwargs: JsonObject;
  timeoutMs: number;
  /** Whether the probe carries an image; off for text-only targets. */
  withImage: boolean;
  /** Of the probe's question with this image, for idSource count. */
  local?: ((image: ImageSize | undefined) => LocalIds) | undefined;
}

export type ProbeResult = { probe: Probe } | { problem: string; verdict: Verdict };

/** Few tokens: the answer's content does not matter. */
const PROBE_TOKENS = 4;
export const PROBE_TEXT = "What is this?";

/** Reasons for which another way of getting ids may still work: this one is not there. */
const NOT_THIS_WAY: readonly string[] = ["ids-missing", "access-denied"];
/** By count comes last: ids that the server sends are exact. */
const WAYS: Record<ProbeOptions["idSource"], readonly IdSource[]> = {
  auto: ["chat", "generate"],
  chat: ["chat"],
  generate: ["generate"],
  count: ["chat", "generate", "count"],
};

export async function probeServer(client: ServerClient, options: ProbeOptions): Promise<ProbeResult> {
  const tokens = await learnSpecialTokens(async (text) => {
    const reply = await client.tokenizeText(text);
    return "ids" in reply ? reply.ids : undefined;
  });
  const special = tokens.structure.size > 0 ? tokens : undefined;
  const askWith = (image: ImageSize | undefined, source: IdSource): Promise<Outcome> => {
    const rules = { special, loops: undefined };
    return ask(client, questionWith(image, options), source, rules, options.timeoutMs);
  };
  let failure: ProbeResult | undefined;
  for (const source of WAYS[options.idSource]) {
    const { verdict, answer } = await askWith(options.withImage ? SMALL_PROBE_IMAGE : undefined, source);
    // What the model says to the probe does not matter: a rejected answer still has its ids.
    if (answer !== undefined) {
      const { promptIds, idFields } = answer;
      const probe = { idSource: source, idFields, promptIds, rendering: hashOf(promptIds), special, large: undefined };
      return options.withImage ? withLargeImage(probe, await askWith(LARGE_PROBE_IMAGE, source)) : { probe };
    }
    // That the other ways do not work is why ids are counted; what matters then is why that fails, too.
    if (failure === undefined || source === "count") failure = { problem: describe(source, verdict), verdict };
    if (verdict.kind === "transient" && !NOT_THIS_WAY.includes(verdict.reason)) break;
  }
  return failure!;
}

/** A server whose context is too short for the large image works without that comparison. */
function withLargeImage(probe: Probe, { verdict, answer }: Outcome): ProbeResult {
  if (answer !== undefined) {
    const { promptIds } = answer;
    return { probe: { ...probe, large: { promptIds, rendering: hashOf(promptIds) } } };
  }
  return verdict.kind === "transient" ? { problem: describe(probe.idSource, verdict), verdict } : { probe };
}

function questionWith(image: ImageSize | undefined, { templateKwargs, local }: ProbeOptions): Question {
  const text = PROBE_TEXT;
  const content: ChatMessage["content"] =
    image === undefined
      ? text
      : [
          { type: "image", image: probeImage(image) },
          { type: "text", text },
        ];
  return {
    messages: [{ role: "user", content }],
    templateKwargs,
    maxTokens: PROBE_TOKENS,
    stopTokenIds: [],
    ...defined({ local: local?.(image) }),
  };
}

function hashOf(ids: readonly number[]): string {
  return sha256(JSON.stringify(ids));
}

function describe(source: IdSource, verdict: Verdict): string {
  const way = { chat: "a chat request", generate: "/tokenize and /generate", count: "counting" }[source];
  const what = "message" in verdict ? verdict.message : verdict.kind;
  return `${way}: ${what}`;
}
