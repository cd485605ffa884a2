/** Asks a server one small question to see what it really returns: which way gives ids, and what it renders. */
import type { JsonObject } from "../base/index.js";
import { sha256 } from "../base/index.js";
import { ask, type IdSource } from "./ask.js";
import type { ChatMessage } from "./chat.js";
import type { ServerClient } from "./client.js";
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
}

export type ProbeResult = { probe: Probe } | { problem: string; verdict: Verdict };

/** Few tokens: the answer's content does not matter. */
const PROBE_TOKENS = 4;
export const PROBE_TEXT = "What is this?";

export async function probeServer(client: ServerClient, options: ProbeOptions): Promise<ProbeResult> {
  const special = await learnSpecialTokens((text) => client.tokenizeText(text));
  const known = special.structure.size > 0 ? special : undefined;
  const sources: IdSource[] = options.idSource === "auto" ? ["chat", "generate"] : [options.idSource];
  let failure: ProbeResult | undefined;
  for (const source of sources) {
    const question = {
      messages: probeMessages(options.withImage),
      templateKwargs: options.templateKwargs,
      maxTokens: PROBE_TOKENS,
      stopTokenIds: [],
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
    failure ??= { problem: describe(source, verdict), verdict };
    if (verdict.kind === "transient" && verdict.reason !== "ids-missing") break;
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
  const way = source === "chat" ? "a chat request" : "/tokenize and /generate";
  const what = "message" in verdict ? verdict.message : verdict.kind;
  return `${way}: ${what}`;
}
