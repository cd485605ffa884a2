/** The table at the end of a run: one row per step, then the rows that stages contribute. */

import { keptOf, rejectedOf } from "./counts.js";
import type { DraftsmithEvent, EventSink, SummaryRow } from "./event.js";
import { formatNumber, formatReasons, formatSeconds, sumReasons } from "./format.js";

interface Row {
  step: string;
  state: string;
  time: string;
  kept: string;
  rejected: string;
}

const HEAD: Row = { step: "step", state: "state", time: "time", kept: "kept", rejected: "rejected" };
const COLUMNS = ["step", "state", "time", "kept", "rejected"] as const;
const RIGHT = new Set<string>(["time", "kept"]);

/** Collects from a run's events what the table shows. */
export class RunTable implements EventSink {
  private readonly rows: Row[] = [];
  private summary: SummaryRow[] = [];

  emit(event: DraftsmithEvent): void {
    if (event.type === "step-finished" || event.type === "step-cached") {
      const rejected = rejectedOf(event.counts);
      const kept = keptOf(event.counts);
      this.rows.push({
        step: event.step,
        state: event.type === "step-cached" ? "cached" : "done",
        time: event.type === "step-cached" ? "" : formatSeconds(event.seconds),
        kept: kept === undefined ? "" : formatNumber(kept),
        rejected: sumReasons(rejected) === 0 ? "" : `${formatNumber(sumReasons(rejected))}: ${formatReasons(rejected)}`,
      });
    } else if (event.type === "step-failed") this.add(event.step, `failed ${event.code}`);
    else if (event.type === "step-skipped") this.add(event.step, `not run: ${event.why}`);
    else if (event.type === "run-finished") {
      this.summary = event.summary;
      this.rows.push({
        step: "total",
        state: event.outcome,
        time: formatSeconds(event.seconds),
        kept: "",
        rejected: "",
      });
    }
  }

  /** Empty for a run without steps. */
  lines(): string[] {
    if (this.rows.every(({ step }) => step === "total")) return [];
    // A long reason is last on its line anyway; it must not widen the column.
    const short = this.rows.filter(({ state }) => !state.startsWith("not run"));
    const widths = COLUMNS.map((column) =>
      Math.max(...[HEAD, ...(column === "step" ? this.rows : short)].map((row) => row[column].length)),
    );
    const lines = [HEAD, ...this.rows].map((row) =>
      COLUMNS.map((column, k) =>
        RIGHT.has(column) ? row[column].padStart(widths[k]!) : row[column].padEnd(widths[k]!),
      )
        .join("  ")
        .trimEnd(),
    );
    if (this.summary.length === 0) return lines;
    const label = Math.max(...this.summary.map((row) => row.label.length));
    return [...lines, "", ...this.summary.map((row) => `${row.label.padEnd(label)}  ${row.value}`)];
  }

  private add(step: string, state: string): void {
    this.rows.push({ step, state, time: "", kept: "", rejected: "" });
  }
}
