/** One server of the pool: its state, its slots and how many of them it can handle. */
import type { IdSource, Probe, ServerClient, ServerIdentity, Verdict } from "../../../sglang/index.js";
import { AutoLimit, type ConcurrencyLimit, FixedLimit, type Ticket } from "./concurrency-limit.js";
import type { Inspection } from "./inspect.js";
import type { Concurrency } from "./options.js";
import { SharedCheck } from "./shared-check.js";

/** `draining`: finishes its conversations, gets no new ones. `refused`: it answers, but differs from the others. */
export type ServerState = "up" | "draining" | "down" | "refused";

/** Faults in a row after which a server is inspected before it gets more work. */
const FAULTS_UNTIL_CHECK = 5;

/** Asks again for a prompt that was wrong. @returns what the server shows instead; undefined where it is right now */
export type RenderingProof = (client: ServerClient, probe: Probe) => Promise<Inspection | undefined>;

export class PoolServer {
  state: ServerState = "down";
  /** Conversations that run here. */
  slots = 0;
  identity: ServerIdentity | undefined;
  probe: Probe | undefined;
  /** Why it is draining, down or refused. */
  trouble = "";
  /** How many connections had been opened at its last successful identity check. */
  verifiedConnections = 0;
  /** The check under way. */
  identityCheck: Promise<boolean> | undefined;
  readonly renderingCheck = new SharedCheck();
  /** A connection broke since its rendering was last checked: another process may have the address now. */
  mayHaveRestarted = false;
  /** Wrong prompts so far for which it was taken out of work. */
  differences = 0;
  /** What it must pass in addition to the inspection before it gets work again. */
  proof: RenderingProof | undefined;
  /** Whether it is being inspected until it is fit. */
  watched = false;
  /** No longer on the list: closed when its last conversation has ended. */
  leaving = false;
  gone = false;
  private limit: ConcurrencyLimit;
  private faultsInRow = 0;

  constructor(
    readonly client: ServerClient,
    private concurrency: Concurrency,
    private readonly maxConcurrency: number,
  ) {
    this.limit = this.newLimit();
  }

  get name(): string {
    return this.client.name;
  }

  get idSource(): IdSource {
    return this.probe?.idSource ?? "chat";
  }

  /** Whether it answers the conversations that run here. */
  get works(): boolean {
    return this.state === "up" || this.state === "draining";
  }

  get hasFreeSlot(): boolean {
    return this.state === "up" && !this.leaving && this.slots < this.limit.slots;
  }

  /** Conversations that it can handle at present. */
  get capacity(): number {
    return this.limit.slots;
  }

  /** Share of its slots that are taken. */
  get load(): number {
    return this.slots / this.limit.slots;
  }

  /** Whether it is certainly the process that was inspected. */
  get isVerified(): boolean {
    return this.verifiedConnections >= this.client.connectionsOpened && !this.mayHaveRestarted;
  }

  setConcurrency(concurrency: Concurrency): void {
    if (concurrency === this.concurrency) return;
    this.concurrency = concurrency;
    this.limit = this.newLimit();
  }

  /** Before a request; pass the result to `ended`. */
  began(): { limit: ConcurrencyLimit; ticket: Ticket } {
    return { limit: this.limit, ticket: this.limit.began(performance.now()) };
  }

  /** @param tokens - of a whole answer; undefined where there is none */
  ended({ limit, ticket }: ReturnType<PoolServer["began"]>, tokens: number | undefined): void {
    limit.ended(ticket, tokens, performance.now());
  }

  /**
   * Notes the verdict on an answer. Single faults are forgiven, answers without ids among them: proxies and reloads cause
   * some, and the question is asked again anyway.
   *
   * @returns what is wrong with the server, if it should be inspected before it gets more work
   */
  noteVerdict(verdict: Verdict): string | undefined {
    if (verdict.kind !== "transient") {
      this.faultsInRow = 0;
      return undefined;
    }
    const { reason, message } = verdict;
    if (reason === "reset") this.mayHaveRestarted = true;
    if (reason === "unreachable" || reason === "access-denied") return message;
    // The server has been refused already.
    if (reason === "prompt-differs") return undefined;
    if (reason === "server-busy" || reason === "rate-limited") {
      this.limit.busy(performance.now());
      return undefined;
    }
    this.faultsInRow += 1;
    return this.faultsInRow >= FAULTS_UNTIL_CHECK ? message : undefined;
  }

  markUp(identity: ServerIdentity, probe: Probe): void {
    this.identity = identity;
    this.probe = probe;
    this.state = "up";
    this.trouble = "";
    this.proof = undefined;
    this.mayHaveRestarted = false;
    this.faultsInRow = 0;
  }

  /** @returns whether its state has changed */
  markReady(isReady: boolean): boolean {
    const now = isReady ? "up" : "draining";
    if (!this.works || this.state === now) return false;
    this.state = now;
    this.trouble = isReady ? "" : "it answers 503 when asked whether it is ready";
    return true;
  }

  markDown(trouble: string): void {
    this.state = "down";
    this.trouble = trouble;
  }

  refuse(trouble: string): void {
    this.state = "refused";
    this.trouble = trouble;
  }

  private newLimit(): ConcurrencyLimit {
    return this.concurrency === "auto" ? new AutoLimit(this.maxConcurrency) : new FixedLimit(this.concurrency);
  }
}
