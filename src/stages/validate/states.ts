/** The outcome of each check. A check that had nothing to look at has not passed; it reports why. */
import { z } from "zod";
import { CHECKS, type Check, checkSchema } from "./findings.js";
import type { Subject } from "./subject.js";

export const checkStateSchema = z.strictObject({
  check: checkSchema,
  says: z.string().describe("what must hold"),
  state: z.enum(["ok", "warnings", "wrong", "not-run"]),
  looked: z.number().int().describe("rows, turns, files or whatever the check examines"),
  errors: z.number().int(),
  warnings: z.number().int(),
  reason: z.string().optional().describe("why it is not run"),
});
export type CheckState = z.infer<typeof checkStateSchema>;

/** What was missing when a check had nothing to look at. */
const MISSING: Record<Check, string> = {
  input: "no rows were read",
  "system-prompt": "no dialogues or generations were read",
  history: "there was nothing to compare: declare history, or give a second artifact that records it",
  "template-arguments":
    "there was nothing to compare: declare template arguments, or give a second artifact that records them",
  fingerprint: "no artifact was given that records what it was made with",
  prompt: "there were no prompt ids of a server: give generations that have them, or a server",
  rendering: "nothing was rendered: give dialogues or generations",
  "special-text": "texts are searched where dialogues are given without generations",
  ids: "no ids were read: give generations, rows or shards",
  stop: "no answer was read that ended by a stop id: give generations",
  images: "no image was read, and no ids: give generations, rows, shards, or a dialogues artifact with images",
  lineage: "no two artifacts were given of which one is made from the other",
  mask: "no rows were read: give rows or shards",
  "row-ids": "no rows were compared with generations: give both",
  split: "no held-out rows were read: give shards that have some",
  server: "no server was named",
  precision: "no server was named that tells its settings",
  "hidden-states": "they are compared on request: states, with shards and a server that returns them",
  draft: "no draft was named",
};

export function checkStates({ findings, options }: Subject, stoppedEarly: boolean): CheckState[] {
  const missing = (check: Check): string => {
    if (stoppedEarly) return "the checks ended before this one began";
    if (check === "system-prompt" && options.systemPrompt.policy === "keep") return "no system prompt is declared";
    return MISSING[check];
  };
  return (Object.keys(CHECKS) as Check[]).map((check) => {
    const errors = findings.counts.error[check] ?? 0;
    const warnings = findings.counts.warning[check] ?? 0;
    const looked = findings.looked[check] ?? 0;
    const state = errors > 0 ? "wrong" : warnings > 0 ? "warnings" : looked > 0 ? "ok" : "not-run";
    const reason = state === "not-run" ? missing(check) : undefined;
    return { check, says: CHECKS[check], state, looked, errors, warnings, reason };
  });
}

/** "11 ok, 1 wrong, 4 not run (draft, ...)": checks that had nothing to look at do not count as passed. */
export function statesText(states: readonly CheckState[]): string {
  const of = (wanted: CheckState["state"]): Check[] =>
    states.filter(({ state }) => state === wanted).map(({ check }) => check);
  const [wrong, warned, idle] = [of("wrong"), of("warnings"), of("not-run")];
  return [
    `${of("ok").length} ok`,
    ...(warned.length === 0 ? [] : [`${warned.length} with warnings (${warned.join(", ")})`]),
    ...(wrong.length === 0 ? [] : [`${wrong.length} wrong (${wrong.join(", ")})`]),
    ...(idle.length === 0 ? [] : [`${idle.length} not run (${idle.join(", ")})`]),
  ].join(", ");
}
