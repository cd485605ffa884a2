/** Keeps every slot of the pool busy with one dialogue, and records each dialogue's end in the ledger. */
import { setMaxListeners } from "node:events";
import { DraftsmithError } from "../../../base/index.js";
import { type Dialogue, dialogueSchema } from "../../../dialogue/index.js";
import { Asker } from "../asking/asker.js";
import { askedTurn } from "../asking/request.js";
import type { RunParts } from "../asking/run-parts.js";
import { type Answerers, answerersOf } from "../ledger/check-record.js";
import type { RegenerateOptions } from "../options.js";
import { isChosen } from "../recheck/recheck.js";
import { RecheckDuringRun } from "../recheck/recheck-during-run.js";
import type { DialogueEnd } from "../report/progress.js";
import type { Chosen } from "../selection/selection.js";
import { type Slot, Stopped } from "../servers/slots.js";
import { converse } from "./conversation.js";
import { withTools } from "./script.js";

/** Allowed beyond the share: a handful of failures at the start of a long run says little about the rest. */
const FAILURES_BEFORE_STOP = 20;

export class DialogueWorkers {
  /** Aborts on Ctrl-C and on fatal errors: no new questions are asked, those in flight are awaited. */
  private readonly stopping = new AbortController();
  private fatal: unknown;
  private failed = 0;
  private readonly tasks = new Set<Promise<void>>();
  private readonly asker: Asker;
  private readonly rechecks: RecheckDuringRun;

  constructor(private readonly parts: RunParts) {
    // Every conversation that waits listens.
    setMaxListeners(0, this.stopping.signal);
    this.asker = new Asker(parts, this.stopping.signal);
    this.rechecks = new RecheckDuringRun(parts, this.asker, (error) => this.fail(error));
  }

  /** Dialogues of this run for which no server had a usable answer. */
  get failures(): number {
    return this.failed;
  }

  /**
   * Answers all dialogues that have no end yet.
   *
   * @throws DraftsmithError INTERRUPTED, or the first error that ended the run; the ledger holds what was finished
   */
  async run(dialogues: AsyncIterable<Chosen>): Promise<void> {
    const { signal, pool, ledger, redo } = this.parts;
    const onAbort = (): void => this.stop();
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      await this.rechecks.start();
      for await (const { dialogue, digest } of dialogues) {
        if (this.stopping.signal.aborted) break;
        if (redo?.ids.has(dialogue.id) === true) await ledger.drop(digest, redo.request);
        if (this.isFinished(dialogue, digest)) continue;
        checkShape(dialogue);
        const slot = await pool.slots.acquire();
        this.track(this.handle(dialogue, digest, slot));
      }
    } catch (error) {
      this.fail(error);
    } finally {
      await Promise.all(this.tasks);
      await this.rechecks.finish();
      signal.removeEventListener("abort", onAbort);
    }
    const fatal = this.fatal ?? pool.bug;
    if (fatal !== undefined) throw fatal;
    if (signal.aborted) {
      throw new DraftsmithError("INTERRUPTED", "stopped before all dialogues were answered", {
        hint: "run the same command again; it continues where it stopped",
      });
    }
  }

  private isFinished(dialogue: Dialogue, digest: string): boolean {
    const { ledger, options, progress } = this.parts;
    const known = ledger.claim(digest, isChosen(digest, options.recheckShare));
    if (known === "duplicate") {
      throw new DraftsmithError("ARTIFACT_INVALID", "two dialogues have the same id and content", {
        location: { id: dialogue.id },
        hint: "run the import again; it numbers duplicates",
      });
    }
    if (known === "open" || (known === "failed" && options.retryFailed)) return false;
    progress.skipped(dialogue);
    return true;
  }

  private async handle(source: Dialogue, digest: string, slot: Slot): Promise<void> {
    const { ledger, options, progress } = this.parts;
    const dialogue = withTools(source, options.tools);
    let end: DialogueEnd;
    let answerers: Answerers;
    const begun = progress.begun(dialogue);
    try {
      const earlier = await ledger.turnsOf(digest);
      /** The server of each answer: a conversation moves when its server fails. */
      const servers = earlier.map(({ server }) => server ?? "");
      end = await converse(dialogue, digest, earlier, {
        options,
        ask: async (messages) => {
          const about = { dialogue: dialogue.id, turn: servers.length, isRecheck: false };
          const outcome = await this.asker.ask(slot, await askedTurn(messages, dialogue, about, this.parts));
          servers.push(slot.server?.name ?? "");
          progress.came(begun, outcome);
          return outcome;
        },
        keep: (index, record) => ledger.addTurn(digest, index, { ...record, server: servers[index] }),
      });
      // Durable before the slot is free: a crash loses at most one answer per slot.
      answerers = answerersOf(servers, "turns" in end.row ? end.row.turns.length : 0);
      await ledger.addEnd(digest, end.status, end.row, answerers);
    } finally {
      this.parts.pool.slots.release(slot);
    }
    progress.ended(end, begun);
    this.rechecks.note(digest, end, answerers);
    if (end.status === "failed") this.countFailure();
  }

  private countFailure(): void {
    this.failed += 1;
    const { total, options } = this.parts;
    if (total === undefined || this.failed <= total * options.maxFailedShare + FAILURES_BEFORE_STOP) return;
    this.fail(tooManyFailures(this.failed, total, options));
  }

  private track(task: Promise<void>): void {
    const tracked = task
      .catch((error: unknown) => this.fail(error))
      .finally(() => {
        this.tasks.delete(tracked);
      });
    this.tasks.add(tracked);
  }

  private fail(error: unknown): void {
    // Others get Stopped when the run is already ending.
    if (!(error instanceof Stopped)) this.fatal ??= error;
    this.stop();
  }

  private stop(): void {
    this.stopping.abort();
    this.parts.pool.stop(new Stopped("the run is ending"));
  }
}

/** Artifacts are sealed with hashes, so this finds only files that were edited by hand. */
function checkShape(dialogue: Dialogue): void {
  const parsed = dialogueSchema.safeParse(dialogue);
  if (parsed.success) return;
  const [issue] = parsed.error.issues;
  throw new DraftsmithError("ARTIFACT_INVALID", `not a canonical dialogue: ${issue?.message ?? ""}`, {
    location: { id: String(dialogue.id), field: (issue?.path ?? []).join(".") },
  });
}

export function tooManyFailures(failed: number, total: number, options: RegenerateOptions): DraftsmithError {
  return new DraftsmithError(
    "TOO_MANY_FAILURES",
    `${failed} of ${total} dialogues got no answer; maxFailedShare allows ${options.maxFailedShare}`,
    {
      hint: "check the servers and run the same command again: only failed dialogues are asked; or raise maxFailedShare",
    },
  );
}
