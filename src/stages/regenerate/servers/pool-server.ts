/** One server of the pool: its state, its slots and how many of them it can handle. */
import type { IdSource, Probe, ServerClient, ServerIdentity, Verdict } from "../../../sglang/index.js";
import { AutoLimit, type ConcurrencyLimit, FixedLimit, type Ticket } from "./concurrency-limit.js";
import type { Concurrency } from "./options.js";

/** `draining`: goes on with its conversations, gets no new ones. `refused`: it answers, but not as the others do. */
export type ServerState = "up" | "draining" | "down" | "refused";

/** Faults in a row after which a server is looked at before it gets more work. */
const FAULTS_UNTIL_CHECK = 5;

export class PoolServer {
  state: ServerState = "down";
  /** Conversations that sit here. */
  slots = 0;
  identity: ServerIdentity | undefined;
  probe: Probe | undefined;
  /** Why it is draining, down or refused, for people. */
  trouble = "";
  /** How many connections had been opened when it was last seen to be itself. */
  verifiedConnections = 0;
  /** A look at it that is under way. */
  identityCheck: Promise<boolean> | undefined;
  /** Somebody looks at it until it is fit. */
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

  /** Whether it answers conversations that sit here. */
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

  /** Share of the slots that are taken. */
  get load(): number {
    return this.slots / this.limit.slots;
  }

  /** Whether no connection has been opened since it was last seen to be itself. */
  get isVerified(): boolean {
    return this.verifiedConnections >= this.client.connectionsOpened;
  }

  setConcurrency(concurrency: Concurrency): void {
    if (concurrency === this.concurrency) return;
    this.concurrency = concurrency;
    this.limit = this.newLimit();
  }

  /** Before a request; what it returns goes back into `ended`. */
  began(): { limit: ConcurrencyLimit; ticket: Ticket } {
    return { limit: this.limit, ticket: this.limit.began(performance.now()) };
  }

  /** @param tokens - of a whole answer; undefined where there is none */
  ended({ limit, ticket }: ReturnType<PoolServer["began"]>, tokens: number | undefined): void {
    limit.ended(ticket, tokens, performance.now());
  }

  /**
   * Learns from an answer's verdict.
   *
   * @returns what to check the server for, if it should get no more work before
   */
  noteVerdict(verdict: Verdict): string | undefined {
    if (verdict.kind !== "transient") {
      this.faultsInRow = 0;
      return undefined;
    }
    const { reason, message } = verdict;
    if (reason === "unreachable" || reason === "ids-missing" || reason === "access-denied") return message;
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
    this.faultsInRow = 0;
  }

  /** @returns whether that is news */
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
