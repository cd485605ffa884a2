/** What became of the rows so far: counts for the manifest, and the words for when too many were lost. */
import { DraftsmithError } from "../../base/index.js";
import { OTHER_FIELDS } from "../../dialogue/index.js";
import type { SourceRow } from "./source-rows.js";

export type Rejected = Pick<SourceRow & { ok: false }, "id" | "source" | "message"> & { reason: string };

export interface KeptRow {
  form: string;
  /** Special tokens in its texts that were escaped. */
  escaped: number;
  /** Names of its fields that nothing reads. */
  unread: readonly string[];
}

/** Rows are untrusted: more names than this are counted together. */
const MOST_NAMES = 100;
const NAMES_SHOWN = 8;

export class Tally {
  read = 0;
  kept = 0;
  /** Special tokens in the texts of kept rows that were escaped. */
  escaped = 0;
  /** Videos of kept rows. */
  videos = 0;
  private readonly rejections = new Map<string, number>();
  private readonly formCounts = new Map<string, number>();
  /** Kept rows by the fields that nothing reads. */
  private readonly unread = new Map<string, number>();
  /** The first rejected row of each reason, to show. */
  private readonly examples = new Map<string, Rejected>();

  keep({ form, escaped, unread }: KeptRow): void {
    this.read += 1;
    this.kept += 1;
    this.escaped += escaped;
    add(this.formCounts, form);
    for (const name of unread)
      add(this.unread, this.unread.size < MOST_NAMES || this.unread.has(name) ? name : OTHER_FIELDS);
  }

  reject(row: Rejected): void {
    this.read += 1;
    add(this.rejections, row.reason);
    if (!this.examples.has(row.reason)) this.examples.set(row.reason, row);
  }

  get rejected(): Record<string, number> {
    return sorted(this.rejections);
  }

  get forms(): Record<string, number> {
    return sorted(this.formCounts);
  }

  /** undefined where every field was read. */
  get unreadFields(): Record<string, number> | undefined {
    return this.unread.size === 0 ? undefined : sorted(this.unread);
  }

  /** The same for people, most frequent first. */
  get unreadText(): string {
    const names = [...this.unread].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
    const shown = names.slice(0, NAMES_SHOWN).map(([name, rows]) => `${name} (${rows} ${rows === 1 ? "row" : "rows"})`);
    const more = names.length - shown.length;
    return [...shown, ...(more > 0 ? [`and ${more} more, all in manifest.json`] : [])].join(", ");
  }

  /** @throws DraftsmithError DATA_EMPTY, TOO_MANY_FAILURES */
  judge(maxRejectedShare: number, files: readonly string[]): void {
    if (this.read === 0) {
      throw new DraftsmithError("DATA_EMPTY", `no rows in ${files.join(", ")}`, { hint: "check the source files" });
    }
    const lost = this.read - this.kept;
    if (this.kept === 0) throw this.error("DATA_EMPTY", `all ${this.read} rows were rejected`);
    if (lost / this.read > maxRejectedShare) {
      const limit = `maxRejectedShare ${maxRejectedShare}`;
      throw this.error("TOO_MANY_FAILURES", `${lost} of ${this.read} rows were rejected, more than ${limit} allows`);
    }
  }

  private error(code: "DATA_EMPTY" | "TOO_MANY_FAILURES", message: string): DraftsmithError {
    const reasons = [...this.rejections].sort(([, a], [, b]) => b - a).slice(0, 8);
    const lines = reasons.map(([reason, count]) => {
      const { source, message: words } = this.examples.get(reason)!;
      return `${reason}: ${count} (first at ${source.file}:${source.line}: ${words})`;
    });
    const { source, id } = this.examples.get(reasons[0]![0])!;
    return new DraftsmithError(code, message, {
      location: { ...source, ...(id === null ? {} : { id }) },
      frame: lines.join("\n"),
      hint: "correct the rows or the options; imageRoots and format decide most of it",
    });
  }
}

function add(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

function sorted(counts: Map<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}
