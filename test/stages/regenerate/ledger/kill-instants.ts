/**
 * Instants at which a run of the command is killed, spread evenly over what it does: counted by what has happened, not by
 * the clock, since a phase takes milliseconds on one machine and a tenth of a second on a busy one.
 */
import type { ChildProcess } from "node:child_process";
import { existsSync, type FSWatcher, watch } from "node:fs";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Of all kills; most fall where answers are written or files are put in place. */
const SHARES = { "start-up": 0.15, asking: 0.4, finishing: 0.4, after: 0.05 } as const;
export type Phase = keyof typeof SHARES;
export type Stretch = "start-up" | "asking" | "merging" | "sealing" | "publishing" | "after";

export interface Instant {
  phase: Phase;
  /** How far into the phase, from 0 to 1. */
  share: number;
  /** While asking: milliseconds behind the request that this comes to. */
  delay: number;
}

/** What an undisturbed run shows of how long each phase is. */
export interface Course {
  startUpMs: number;
  /** Requests before the first question. */
  probes: number;
  questions: number;
  /** Changes of files seen from the first line of the output to its place. */
  changes: number;
}

/** Always three draws, so that what follows does not depend on what came of it. */
export function drawInstant(draw: () => number): Instant {
  const [place, share, delay] = [draw(), draw(), draw() * 2];
  let from = 0;
  for (const [phase, size] of Object.entries(SHARES) as [Phase, number][]) {
    from += size;
    if (place < from) return { phase, share, delay };
  }
  return { phase: "after", share, delay };
}

/** One start of the command, by what it asks and by what changes on disk. */
export class Attempt {
  requests = 0;
  /** Since the output's first line was written; undefined before. */
  changes: number | undefined;
  firstRequestMs: number | undefined;
  private readonly began = performance.now();
  private readonly watchers: FSWatcher[] = [];
  private work: FSWatcher | undefined;
  private wake: () => void = () => undefined;

  constructor(
    private readonly out: string,
    private readonly child: ChildProcess,
  ) {
    const name = basename(out);
    this.watchers.push(
      watch(dirname(out), (_, file) => {
        if (file === `${name}.work`) this.watchWork();
        if (file === `${name}.work` || file === name) this.changed();
      }),
    );
    child.once("exit", () => this.wake());
  }

  /** To be called on each request that the server gets. */
  asked(): void {
    this.requests += 1;
    this.firstRequestMs ??= performance.now() - this.began;
    this.wake();
  }

  /** Resolves at the instant, or when the child has ended. @param open - questions that are not answered yet */
  async reach({ phase, share, delay }: Instant, course: Course, open: number): Promise<void> {
    if (phase === "start-up") await Promise.race([sleep(share * course.startUpMs), this.until(() => false)]);
    else if (phase === "asking" && open > 0) {
      const wanted = course.probes + 1 + Math.floor(share * open);
      await this.until(() => this.requests >= wanted || this.changes !== undefined);
    } else if (phase === "after") await this.until(() => this.isPublished);
    else {
      const wanted = 1 + Math.floor(share * course.changes);
      await this.until(() => (this.changes ?? 0) >= wanted || this.isPublished);
    }
    // Putting files in place takes few milliseconds in all: there the change itself is the instant.
    if (phase === "asking" && !this.isOver) await sleep(delay);
  }

  /** Where it is now. */
  stretch(course: Course): Stretch {
    if (this.isPublished) return "after";
    if (this.changes !== undefined) {
      if (existsSync(join(`${this.out}.work`, "manifest.json"))) return "publishing";
      return existsSync(join(`${this.out}.work`, "fingerprint.json")) ? "sealing" : "merging";
    }
    return this.requests > course.probes ? "asking" : "start-up";
  }

  get isOver(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  get isPublished(): boolean {
    return existsSync(join(this.out, "manifest.json"));
  }

  close(): void {
    for (const watcher of this.watchers) watcher.close();
    this.work?.close();
  }

  /** The directory is made anew by each start. */
  private watchWork(): void {
    this.work?.close();
    this.work = undefined;
    const directory = `${this.out}.work`;
    if (!existsSync(directory)) return;
    try {
      this.work = watch(directory, () => this.changed());
    } catch {
      // It was moved to its place in between.
    }
  }

  private changed(): void {
    if (this.changes !== undefined) this.changes += this.isPublished ? 0 : 1;
    // What an earlier start left there is removed before the first request.
    else if (this.requests > 0 && existsSync(join(`${this.out}.work`, "generations.jsonl"))) this.changes = 1;
    this.wake();
  }

  private async until(isReached: () => boolean): Promise<void> {
    while (!isReached() && !this.isOver) {
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }
}
