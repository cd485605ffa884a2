/** What became of the rows so far: counts for the manifest, and the words for when too many were lost. */
import { DraftsmithError } from "../../base/index.js";
import type { SourceRow } from "./source-rows.js";

export type Rejected = Pick<SourceRow & { ok: false }, "id" | "source" | "message"> & { reason: string };

export class Tally {
  read = 0;
  kept = 0;
  /** Special tokens in the texts of kept rows that were escaped. */
  escaped = 0;
  /** Videos of kept rows. */
  videos = 0;
  readonly #rejected = new Map<string, number>();
  readonly #forms = new Map<string, number>();
  /** The first rejected row of each reason, to show. */
  readonly #examples = new Map<string, Rejected>();

  keep(form: string, escaped: number): void {
    this.read += 1;
    this.kept += 1;
    this.escaped += escaped;
    this.#forms.set(form, (this.#forms.get(form) ?? 0) + 1);
  }

  reject(row: Rejected): void {
    this.read += 1;
    this.#rejected.set(row.reason, (this.#rejected.get(row.reason) ?? 0) + 1);
    if (!this.#examples.has(row.reason)) this.#examples.set(row.reason, row);
  }

  get rejected(): Record<string, number> {
    return sorted(this.#rejected);
  }

  get forms(): Record<string, number> {
    return sorted(this.#forms);
  }

  /** @throws DraftsmithError DATA_EMPTY, TOO_MANY_FAILURES */
  judge(maxRejectedShare: number, files: readonly string[]): void {
    if (this.read === 0) {
      throw new DraftsmithError("DATA_EMPTY", `no rows in ${files.join(", ")}`, { hint: "check the source files" });
    }
    const lost = this.read - this.kept;
    if (this.kept === 0) throw this.#error("DATA_EMPTY", `all ${this.read} rows were rejected`);
    if (lost / this.read > maxRejectedShare) {
      const limit = `maxRejectedShare ${maxRejectedShare}`;
      throw this.#error("TOO_MANY_FAILURES", `${lost} of ${this.read} rows were rejected, more than ${limit} allows`);
    }
  }

  #error(code: "DATA_EMPTY" | "TOO_MANY_FAILURES", message: string): DraftsmithError {
    const reasons = [...this.#rejected].sort(([, a], [, b]) => b - a).slice(0, 8);
    const lines = reasons.map(([reason, count]) => {
      const { source, message: words } = this.#examples.get(reason)!;
      return `${reason}: ${count} (first at ${source.file}:${source.line}: ${words})`;
    });
    const { source, id } = this.#examples.get(reasons[0]![0])!;
    return new DraftsmithError(code, message, {
      location: { ...source, ...(id === null ? {} : { id }) },
      frame: lines.join("\n"),
      hint: "correct the rows or the options; imageRoots and format decide most of it",
    });
  }
}

function sorted(counts: Map<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}
