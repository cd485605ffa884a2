/**
 * The re-check during the run, so that servers that disagree stop it in its first hour and not after days. A
 * chosen dialogue waits until some others have ended, then it is asked again, elsewhere where that is possible.
 */
import type { Generation } from "../../../dialogue/index.js";
import type { Asker } from "../asking/asker.js";
import type { RunParts } from "../asking/run-parts.js";
import type { Answerers } from "../ledger/check-record.js";
import type { DialogueEnd } from "../report/progress.js";
import { isSurelyBelow, type Sums, sumOf, tooLittleAgreement } from "./agreement.js";
import { checkOne, isChosen, isNeedlesslySame } from "./recheck.js";

/** Most rows that wait: further ones are asked at the end of the run, from the journal. */
const MAX_WAITING = 32;
/** Concurrent checks. `recheckShare` bounds their number; this keeps them from taking too many slots. */
const MAX_RUNNING = 4;

interface Waiting {
  digest: string;
  row: Generation;
  answerers: Answerers;
  /** Number of ended dialogues after which the batches of the first answers have left the server. */
  from: number;
}

export class RecheckDuringRun {
  private readonly waiting: Waiting[] = [];
  private readonly running = new Set<Promise<void>>();
  private sums: Sums = { turns: 0, equal: 0 };
  private ended = 0;

  constructor(
    private readonly parts: RunParts,
    private readonly asker: Asker,
    private readonly fail: (error: unknown) => void,
  ) {}

  /** Includes the checks of earlier runs. */
  async start(): Promise<void> {
    const { ledger, options, progress } = this.parts;
    if (options.recheckShare > 0) {
      const earlier = await ledger.checks();
      for (const check of earlier) progress.statistics.recheck.addEarlier(check);
      this.sums = sumOf(earlier);
    }
    this.judge();
  }

  /** For every dialogue that ends, in this order: it may be chosen, and others may be due. */
  note(digest: string, { row }: DialogueEnd, answerers: Answerers): void {
    const { options, pool } = this.parts;
    if (options.recheckShare === 0) return;
    this.ended += 1;
    const isRow = row.status === "done" || row.status === "partial";
    if (isRow && this.waiting.length < MAX_WAITING && isChosen(digest, options.recheckShare)) {
      this.waiting.push({ digest, row, answerers, from: this.ended + pool.capacity });
    }
    while (this.running.size < MAX_RUNNING && (this.waiting[0]?.from ?? Infinity) <= this.ended) {
      const task = this.check(this.waiting.shift()!).finally(() => this.running.delete(task));
      this.running.add(task);
    }
  }

  /** Waits for the checks under way; those that are not due yet are left to the end of the run. */
  async finish(): Promise<void> {
    await Promise.all(this.running);
  }

  private async check(waiting: Waiting): Promise<void> {
    const { pool, ledger } = this.parts;
    const { digest, row, answerers } = waiting;
    try {
      const slot = await pool.slots.acquire(answerers.server);
      try {
        if (isNeedlesslySame(pool, slot, answerers.server)) {
          // Another dialogue takes this slot; the next to be free may be elsewhere.
          this.waiting.push(waiting);
          return;
        }
        const check = await checkOne(this.parts, this.asker, slot, row, answerers);
        await ledger.addCheck(digest, check);
        this.sums = { turns: this.sums.turns + check.turns, equal: this.sums.equal + check.equal };
      } finally {
        pool.slots.release(slot);
      }
      this.judge();
    } catch (error) {
      this.fail(error);
    }
  }

  private judge(): void {
    const { minAgreement } = this.parts.options;
    if (isSurelyBelow(this.sums, minAgreement)) this.fail(tooLittleAgreement(this.sums, minAgreement, true));
  }
}
