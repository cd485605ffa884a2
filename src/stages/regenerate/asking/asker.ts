/** Asks one question until its verdict is final, moving between servers. */
import { DraftsmithError } from "../../../base/index.js";
import {
  type AskRules,
  ask,
  type BackoffOptions,
  backoffMs,
  DEFAULT_LOOP_RULES,
  type LoopRules,
  type Outcome,
  pause,
  truncationOf,
} from "../../../sglang/index.js";
import type { RegenerateOptions } from "../options.js";
import type { Progress } from "../report/progress.js";
import type { PoolServer } from "../servers/pool-server.js";
import type { ServerPool } from "../servers/server-pool.js";
import { type Slot, Stopped } from "../servers/slots.js";
import { PromptGuard } from "./prompt-guard.js";
import type { AskedTurn } from "./request.js";
import type { RunParts } from "./run-parts.js";

/** Overload passes: a busy or unreachable server counts as this small a part of an attempt. */
const BUSY_PATIENCE = 4;
/** Reasons that say something about a server and nothing about the question. */
const FORGIVEN: readonly string[] = ["server-busy", "rate-limited", "unreachable"];
/** Longest wait, in first waits. */
const LONGEST_WAIT = 60;

export class Asker {
  private readonly loops: LoopRules | undefined;
  private readonly backoff: BackoffOptions;

  private readonly pool: ServerPool;
  private readonly options: RegenerateOptions;
  private readonly progress: Progress;
  private readonly guard: PromptGuard | undefined;

  constructor(
    parts: Pick<RunParts, "pool" | "options" | "progress" | "prompts" | "note">,
    private readonly stopping: AbortSignal,
  ) {
    const { pool, options, progress, prompts, note } = parts;
    this.pool = pool;
    this.options = options;
    this.progress = progress;
    this.guard = prompts && new PromptGuard(prompts, pool, progress.statistics.prompts, note);
    const firstMs = options.retryDelaySeconds * 1000;
    this.backoff = { firstMs, factor: 2, maxMs: firstMs * LONGEST_WAIT };
    const { policy, minTokens, minRepeats } = options.loops;
    this.loops = policy === "keep" ? undefined : { ...DEFAULT_LOOP_RULES, minTokens, minRepeats };
  }

  /**
   * @returns the last outcome; a transient one when all attempts are used up
   * @throws Stopped - the run is ending. @throws DraftsmithError - the servers are gone or no longer what they were
   */
  async ask(slot: Slot, turn: AskedTurn): Promise<Outcome> {
    let spent = 0;
    let server = await this.pool.slots.workingServer(slot);
    for (let attempt = 1; ; attempt += 1) {
      if (this.stopping.aborted) throw new Stopped("the run is ending");
      const began = performance.now();
      const outcome = await this.once(server, turn);
      const { verdict } = outcome;
      this.pool.noteVerdict(server, verdict);
      if (verdict.kind !== "transient") {
        this.checkWeights(server, outcome);
        this.progress.answered(outcome, server.name, turn.about, (performance.now() - began) / 1000);
        return outcome;
      }
      this.progress.retried(verdict.reason, server.name);
      spent += FORGIVEN.includes(verdict.reason) ? 1 / BUSY_PATIENCE : 1;
      if (spent > this.options.retries) return outcome;
      if (this.stopping.aborted) throw new Stopped("the run is ending");
      const before = server;
      server = await this.pool.slots.move(slot);
      // Another server is asked at once, but only the first time: when all of them fail, more requests make it worse.
      if (server === before || attempt > 1)
        await pause(backoffMs(attempt, verdict.retryAfterMs, this.backoff), this.stopping);
    }
  }

  private async once(server: PoolServer, turn: AskedTurn): Promise<Outcome> {
    const truncatesTo = server.identity && truncationOf(server.identity);
    const rules: AskRules = { special: server.probe?.special, loops: this.loops, truncatesTo };
    this.progress.inFlight += 1;
    const began = server.began();
    let tokens: number | undefined;
    try {
      const timeoutMs = this.options.requestTimeoutSeconds * 1000;
      const outcome = await ask(server.client, turn.question, server.idSource, rules, timeoutMs);
      tokens = outcome.answer?.responseIds.length;
      if (outcome.verdict.kind === "transient") return outcome;
      if (await this.pool.verify(server))
        return this.guard === undefined ? outcome : this.guard.check(server, turn, outcome);
      return { verdict: { kind: "transient", reason: "reset", message: `${server.name} is no longer what it was` } };
    } finally {
      server.ended(began, tokens);
      this.progress.inFlight -= 1;
    }
  }

  /** Weights that change under way would mix two models in one artifact. */
  private checkWeights(server: PoolServer, outcome: Outcome): void {
    const now = outcome.answer?.weightVersion;
    const before = this.pool.reference.identity.weightVersion;
    if (now === undefined || before === undefined || now === before) return;
    throw new DraftsmithError(
      "SERVER_REFUSED",
      `${server.name}: its weights changed during the run: version ${before} before, ${now} now`,
      { hint: "serve one version of the weights until the run is done; finished answers are kept" },
    );
  }
}
