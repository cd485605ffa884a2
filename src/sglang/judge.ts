/** Judges answers: every way in which a server can fail or lie ends in one of these verdicts. */
import { defined, isAccessDenied } from "../base/index.js";
import type { Answer } from "./answer.js";
import type { Dialect } from "./dialect.js";
import { findLoop, type LoopRules } from "./loops.js";
import { describeServerError } from "./server-error.js";
import { type SpecialTokens, specialLiteral } from "./special.js";
import type { Reply, TransportFault } from "./transport.js";

/** Worth asking again: another attempt, or another server, may succeed. */
export const TRANSIENT_REASONS = {
  unreachable: "no connection to the server",
  reset: "the connection broke",
  timeout: "no complete answer within the time limit",
  "answer-too-large": "the answer is larger than the limit",
  "answer-malformed": "the answer is cut off or not what the API promises",
  "answer-aborted": "the server aborted the request",
  "server-busy": "503: queue full, waiting too long, preempted, starting or draining",
  "server-error": "another 5xx",
  "rate-limited": "408, 425 or 429, which only proxies send",
  "access-denied": "401, 403, 404 or 405: the address or the key is wrong, not the dialogue",
  "ids-missing": "the answer holds no ids",
  "ids-invalid": "the ids are not token ids",
  "ids-count": "the ids and the server's own counts differ",
  "prompt-differs": "the server rendered the prompt to other ids than the model directory gives",
} as const;

/** The same request always fails like this. */
export const PERMANENT_REASONS = {
  "prompt-too-long": "the prompt, or the prompt with the answer's limit, exceeds the context",
  "bad-media": "the server cannot read a picture",
  "bad-request": "the server refuses the request",
  "request-too-large": "the request is larger than the limit, ours or a proxy's",
} as const;

/** There is an answer, but it is not usable as data. */
export const REJECT_REASONS = {
  "nan-logits": "the model produced an id outside its vocabulary",
  "stop-mismatch": "the last id is not the stop that the server names",
  "length-early": "cut before the limit that was asked for: a hidden limit on the server",
  "finish-unknown": "it ended for a reason that is none of ours",
  "prompt-changed": "the server answered another prompt than it was sent",
  "prompt-truncated": "the prompt is as long as those that the server has cut in silence",
  "prompt-count": "without ids: the prompt rendered here has another length than the server counts",
  "answer-count": "without ids: the answer encoded here has another length than the server counts",
  "answer-text": "without ids: the text is not surely the one that was generated",
  "image-count": "the prompt does not hold one run of image pads per picture",
  "special-tokens": "the answer holds role or vision tokens",
  "special-text": "the answer spells out a special token, which the next turn would turn into one",
  loop: "the answer repeats itself without end",
} as const;

export type TransientReason = keyof typeof TRANSIENT_REASONS;
export type PermanentReason = keyof typeof PERMANENT_REASONS;
export type RejectReason = keyof typeof REJECT_REASONS;

export type Verdict =
  | { kind: "good" }
  /** Cut by the limit on tokens; whether that is data is the caller's policy. */
  | { kind: "cut" }
  /** `denied`: the server wants another API key. */
  | { kind: "transient"; reason: TransientReason; message: string; retryAfterMs?: number; denied?: true }
  | { kind: "permanent"; reason: PermanentReason; message: string }
  | { kind: "reject"; reason: RejectReason; message: string };

/** Every verdict that leaves no usable answer. */
export type Refusal = Exclude<Verdict, { kind: "good" | "cut" }>;

/** The longest tokens are runs of spaces, a few hundred characters; text beyond that is not the text of these ids. */
export const MAX_CHARACTERS_PER_ID = 1024;

export interface AnswerRules {
  dialect: Dialect;
  maxTokens: number;
  /** Undefined where the server could not tell them; the checks that need them are then skipped. */
  special: SpecialTokens | undefined;
  /** Stop ids sent along, beside the model's own. */
  stopTokenIds: readonly number[];
  imageCount: number;
  /** Undefined: loops are kept. */
  loops: LoopRules | undefined;
  /** Length to which longer prompts are truncated silently; left out where the server refuses them. */
  truncatesTo?: number | undefined;
}

export function judgeFault(fault: TransportFault): Refusal {
  if (fault.kind === "request-too-large") return { kind: "permanent", reason: fault.kind, message: fault.message };
  const reasons = {
    unreachable: "unreachable",
    reset: "reset",
    timeout: "timeout",
    "too-large": "answer-too-large",
    closed: "reset",
  } as const;
  return transient(reasons[fault.kind], fault.message);
}

/** Verdict on a reply that is not 200. */
export function judgeStatus(reply: Reply): Refusal {
  const message = describeServerError(reply.status, reply.body);
  const { status, retryAfterMs } = reply;
  if (status === 503) return transient("server-busy", message, retryAfterMs);
  if (status === 408 || status === 425 || status === 429) return transient("rate-limited", message, retryAfterMs);
  if (status >= 500) return transient("server-error", message, retryAfterMs);
  if (isAccessDenied(status)) return { kind: "transient", reason: "access-denied", message, denied: true };
  if (status === 404 || status === 405) return transient("access-denied", message);
  if (status === 413) return { kind: "permanent", reason: "request-too-large", message };
  if (status >= 400) return { kind: "permanent", reason: permanentReason(message), message };
  return transient("answer-malformed", message);
}

/**
 * SGLang words it in three ways: by the context, by prompt and answer together, and ("exceeds the maximum allowed
 * length") by max_req_input_len. Long prompts and bad pictures are told apart by the words of the engines' messages; the rest is one reason.
 */
function permanentReason(message: string): PermanentReason {
  if (
    /context length|maximum (model|context) len|longer than|too long|token count exceeds|maximum allowed (input )?length/i.test(
      message,
    )
  ) {
    return "prompt-too-long";
  }
  if (/image|base64|media|video|aspect ratio|picture/i.test(message)) return "bad-media";
  return "bad-request";
}

/** Verdict on the content of a 200. */
export function judgeAnswer(answer: Answer, rules: AnswerRules): Verdict {
  return (
    judgeFinishType(answer) ??
    judgeIds(answer) ??
    judgeStop(answer, rules) ??
    judgeContent(answer, rules) ?? { kind: answer.finish.type === "length" ? "cut" : "good" }
  );
}

/** What a stop means where the engine leaves it unsaid; null when it cannot be known. */
export function matchedStop(answer: Answer, dialect: Dialect, special: SpecialTokens | undefined): number | null {
  const { matched, type } = answer.finish;
  if (typeof matched === "number") return matched;
  const last = answer.responseIds?.at(-1);
  if (!dialect.silentEndOfSequence || type === "length" || matched !== null || last === undefined) return null;
  return special === undefined || special.ends.has(last) ? last : null;
}

/** How the answer ended, where that alone makes it useless. */
export function judgeFinishType(answer: Answer): Refusal | undefined {
  const { type, matched } = answer.finish;
  if (type === "abort" || type === "error") return transient("answer-aborted", `finish reason ${type}`);
  if (matched === "NaN happened") return reject("nan-logits", "the server reports NaN and replaced the token");
  if (type === "repetition") return reject("loop", "the server ended the answer because it repeats itself");
  if (type === "stop" || type === "length" || type === "tool_calls") return undefined;
  return reject("finish-unknown", `finish reason ${JSON.stringify(type)}`);
}

function judgeIds(answer: Answer): Verdict | undefined {
  const { promptIds, responseIds, promptTokens, completionTokens } = answer;
  if (promptIds === null || responseIds === null) return transient("ids-invalid", "a list of ids holds something else");
  if (promptIds === undefined || responseIds === undefined) {
    return transient("ids-missing", `no ${promptIds === undefined ? "prompt" : "response"} ids in the answer`);
  }
  if (promptIds.length === 0 || responseIds.length === 0) return transient("ids-missing", "a list of ids is empty");
  if (promptTokens !== undefined && promptTokens !== promptIds.length) {
    return transient("ids-count", `${promptIds.length} prompt ids, but the server counts ${promptTokens}`);
  }
  if (completionTokens !== undefined && completionTokens !== responseIds.length) {
    return transient("ids-count", `${responseIds.length} response ids, but the server counts ${completionTokens}`);
  }
  const characters = answer.text.length + (answer.reasoning?.length ?? 0);
  if (characters > MAX_CHARACTERS_PER_ID * responseIds.length) {
    return transient("answer-malformed", `${characters} characters of text for ${responseIds.length} ids`);
  }
  return undefined;
}

function judgeStop(answer: Answer, rules: AnswerRules): Verdict | undefined {
  const ids = answer.responseIds ?? [];
  if (ids.length > rules.maxTokens) {
    return transient("ids-count", `${ids.length} response ids, though at most ${rules.maxTokens} were asked for`);
  }
  if (answer.finish.type === "length") {
    if (ids.length === rules.maxTokens) return undefined;
    return reject("length-early", `cut after ${ids.length} tokens, though ${rules.maxTokens} were allowed`);
  }
  const stop = matchedStop(answer, rules.dialect, rules.special);
  if (stop !== null && stop === ids.at(-1)) return undefined;
  const named = JSON.stringify(stop ?? answer.finish.matched);
  return reject("stop-mismatch", `the stop is ${named}, the last id ${ids.at(-1)}`);
}

function judgeContent(answer: Answer, rules: AnswerRules): Verdict | undefined {
  const { promptIds, responseIds } = answer;
  // A prompt that had exactly this length cannot be distinguished.
  if ((promptIds?.length ?? 0) >= (rules.truncatesTo ?? Infinity)) {
    return reject(
      "prompt-truncated",
      `${promptIds?.length} prompt ids; the server cuts prompts to ${rules.truncatesTo}`,
    );
  }
  const ids = responseIds ?? [];
  const body = answer.finish.type === "length" ? ids : ids.slice(0, -1);
  const { special } = rules;
  if (special !== undefined) {
    const found = body.find((id) => special.structure.has(id) || special.ends.has(id));
    if (found !== undefined) return reject("special-tokens", `id ${found} at ${body.indexOf(found)} of the answer`);
    if (special.imagePad !== undefined) {
      const runs = countRuns(answer.promptIds ?? [], special.imagePad);
      if (runs !== rules.imageCount) {
        return reject("image-count", `${runs} runs of image pads for ${rules.imageCount} pictures`);
      }
    }
  }
  const literal = specialLiteral(answer.text, false) ?? specialLiteral(answer.reasoning ?? "", false);
  if (literal !== undefined) return reject("special-text", `the text holds ${literal}`);
  const loop = rules.loops && findLoop(body, rules.loops);
  if (loop === undefined) return undefined;
  return reject("loop", `${loop.period} ids repeated over ${loop.length}, from ${loop.start} of ${ids.length}`);
}

function countRuns(ids: readonly number[], id: number): number {
  let runs = 0;
  for (let at = 0; at < ids.length; at += 1) if (ids[at] === id && ids[at - 1] !== id) runs += 1;
  return runs;
}

function transient(reason: TransientReason, message: string, retryAfterMs?: number): Refusal {
  return { kind: "transient", reason, message, ...defined({ retryAfterMs }) };
}

function reject(reason: RejectReason, message: string): Refusal {
  return { kind: "reject", reason, message };
}
