/** The doctor's report as lines. */
import type { DoctorReport } from "../trainer-process/index.js";

const MARK = { ok: "ok", missing: "MISSING", note: "note" } as const;

export function formatDoctorReport({ healthy, findings }: DoctorReport): string {
  const width = Math.max(...findings.map(({ name }) => name.length));
  const lines = findings.flatMap(({ name, state, detail, advice }) => [
    `${name.padEnd(width)}  ${MARK[state].padEnd(7)}  ${detail}`,
    ...(advice === undefined ? [] : [`${" ".repeat(width + 11)}-> ${advice}`]),
  ]);
  return [
    ...lines,
    "",
    healthy ? "everything that a full pipeline needs is present" : "something is missing; see the arrows above",
  ].join("\n");
}
