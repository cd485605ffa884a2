/**
 * Which fault each attempt at each question meets, and so how each dialogue must end: a function of the seed alone.
 * Faults hang on dialogue, turn and attempt, not on the order of requests, so the account can be known beforehand.
 */
import { createHash } from "node:crypto";
import type { EndStatus } from "../../../../src/dialogue/index.js";
import { LASTING, PASSING, SLOW } from "../../../sglang-client/fault-table.js";
import type { Fault } from "../../../sglang-client/stub-server.js";
import { dialogue } from "../harness.js";

/** Attempts that a question gets: `retries` of the stage, and the first one. */
export const STORM_RETRIES = 6;

/** A flood is cut off at megabytes: one in so many. */
const FLOOD_ONE_IN = 500;
/** Faults that never end for a question: it fails under their reason. */
const ENDLESS: [Fault, string][] = [
  ["reset", "reset"],
  ["error-500", "server-error"],
  ["cut-json", "answer-malformed"],
  ["ids-count", "ids-count"],
  ["ids-huge", "ids-invalid"],
  ["abort", "answer-aborted"],
];
const MOST_PASSING = 3;

export interface QuestionPlan {
  /** Faults of the first attempts, one each. */
  passing: Fault[];
  /** What every later attempt meets; undefined is a good answer. */
  last: { fault: Fault; reason: string; status: "judged" | "failed" } | undefined;
}

/** @param dialogue - its number @param turn - 0 for the first question */
export function planOf(seed: number, dialogue: number, turn: number): QuestionPlan {
  const draw = createHash("sha256").update(`${seed}/${dialogue}/${turn}`).digest();
  const kind = draw.readUInt16BE(0) % 100;
  const passing = Array.from({ length: draw[2]! % (MOST_PASSING + 1) }, (_, k) => {
    if (draw.readUInt16BE(4 + 2 * k) % FLOOD_ONE_IN === 0) return "huge-body";
    return PASSING[draw[12 + k]! % PASSING.length]!;
  });
  if (kind < 8) {
    const [fault, reason] = LASTING[draw[3]! % LASTING.length]!;
    // A slow answer is an answer: it would hide the verdict.
    const early = passing.filter((name) => !SLOW.includes(name));
    return { passing: early, last: { fault, reason, status: "judged" } };
  }
  if (kind >= 10) return { passing: untilAnswer(passing), last: undefined };
  const [fault, reason] = ENDLESS[draw[3]! % ENDLESS.length]!;
  return { passing: [], last: { fault, reason, status: "failed" } };
}

export function faultAt(plan: QuestionPlan, attempt: number): Fault | undefined {
  return plan.passing[attempt] ?? plan.last?.fault;
}

/** How dialogue `k` must end. @returns also how many answers it keeps */
export function endOf(seed: number, k: number): { status: EndStatus; reason: string | undefined; turns: number } {
  const turns = turnsOf(k);
  for (let turn = 0; turn < turns; turn += 1) {
    const { last } = planOf(seed, k, turn);
    if (last === undefined) continue;
    const { reason, status } = last;
    if (status === "failed") return { status, reason, turns: 0 };
    return { status: turn === 0 ? "rejected" : "partial", reason, turns: turn };
  }
  return { status: "done", reason: undefined, turns };
}

/** Requests that an uninterrupted run sends for dialogue `k`. */
export function requestsOf(seed: number, k: number): number {
  let requests = 0;
  for (let turn = 0; turn < turnsOf(k); turn += 1) {
    const { passing, last } = planOf(seed, k, turn);
    if (last?.status === "failed") return requests + STORM_RETRIES + 1;
    requests += passing.length + (isAnswered(passing) ? 0 : 1);
    if (last !== undefined) return requests;
  }
  return requests;
}

function turnsOf(k: number): number {
  return dialogue(k, []).messages.filter(({ role }) => role === "assistant").length;
}

function isAnswered(passing: readonly Fault[]): boolean {
  return SLOW.some((slow) => slow === passing.at(-1));
}

/** Slow answers end the attempts. */
function untilAnswer(passing: Fault[]): Fault[] {
  const slow = passing.findIndex((fault) => SLOW.includes(fault));
  return slow < 0 ? passing : passing.slice(0, slow + 1);
}
