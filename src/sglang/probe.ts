/** Asks a server one small question to see what it really returns: which way gives ids, and what it renders. */
import type { JsonObject } from "../base/index.js";
import { sha256 } from "../base/index.js";
import { ask, type IdSource, type Question } from "./ask.js";
import type { ChatMessage } from "./chat.js";
import type { ServerClient } from "./client.js";
import type { OwnIds } from "./count.js";
import type { Verdict } from "./judge.js";
import { probeImage } from "./probe-image.js";
import { learnSpecialTokens, type SpecialTokens } from "./special.js";

export interface Probe {
  idSource: IdSource;
  /** Where the ids were found, for people. */
  idFields: { prompt: string | undefined; response: string | undefined };
  promptIds: number[];
  /** sha256 of the prompt ids: servers with equal templates, tokenizers and image processors agree on it. */
  rendering: string;
  special: SpecialTokens | undefined;
}

export interface ProbeOptions {
  idSource: "auto" | IdSource;
  templateKwargs: JsonObject;
  timeoutMs: number;
  /** Whether the probe carries a picture; off for text-only targets. */
  withImage: boolean;
  /** Of the probe's question, for idSource count. */
  own?: OwnIds | undefined;
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
  const special = await learnSpecialTokens((text) => client.tokenizeText(text));
  const known = special.structure.size > 0 ? special : undefined;
  let failure: ProbeResult | undefined;
  for (const source of WAYS[options.idSource]) {
    const question: Question = {
      messages: probeMessages(options.withImage),
      templateKwargs: options.templateKwargs,
      maxTokens: PROBE_TOKENS,
      stopTokenIds: [],
      ...(options.own === undefined ? {} : { own: options.own }),
    };
    const { verdict, answer } = await ask(
      client,
      question,
      source,
      { special: known, loops: undefined },
      options.timeoutMs,
    );
    // What the model says to the probe is no concern of ours: a rejected answer still had its ids.
    if (answer !== undefined) {
      const rendering = sha256(JSON.stringify(answer.promptIds));
      const { promptIds, idFields } = answer;
      return { probe: { idSource: source, idFields, promptIds, rendering, special: known } };
    }
    // That the others do not work is why ids are counted; what matters then is why that fails, too.
    if (failure === undefined || source === "count") failure = { problem: describe(source, verdict), verdict };
    if (verdict.kind === "transient" && !NOT_THIS_WAY.includes(verdict.reason)) break;
  }
  return failure!;
}

function probeMessages(withImage: boolean): ChatMessage[] {
  const text = PROBE_TEXT;
  const content: ChatMessage["content"] = withImage
    ? [
        { type: "image", image: probeImage() },
        { type: "text", text },
      ]
    : text;
  return [{ role: "user", content }];
}

function describe(source: IdSource, verdict: Verdict): string {
  const way = { chat: "a chat request", generate: "/tokenize and /generate", count: "counting" }[source];
  const what = "message" in verdict ? verdict.message : verdict.kind;
  return `${way}: ${what}`;
}
