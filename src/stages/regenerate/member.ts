/** One server of the fleet: its state, its seats and how many of them it can bear. */
import type { IdSource, Probe, ServerClient, ServerIdentity, Verdict } from "../../sglang/index.js";

/** `refused` is final: it answers, but not as the others do. */
export type MemberState = "up" | "down" | "refused";

/** Faults in a row after which a server is looked at before it gets more work. */
const FAULTS_UNTIL_CHECK = 5;
/** A server that says it is busy loses this share of its seats, at most once in the pause below. */
const BUSY_FACTOR = 0.7;
const BUSY_PAUSE_MS = 1000;

export class Member {
  state: MemberState = "down";
  /** Conversations that sit here. */
  seats = 0;
  identity: ServerIdentity | undefined;
  probe: Probe | undefined;
  /** Why it is down or refused, for people. */
  trouble = "";
  /** How many connections had been opened when it was last seen to be itself. */
  vouchedFor = 0;
  /** A look at it that is under way. */
  look: Promise<boolean> | undefined;
  private limit: number;
  private faultsInRow = 0;
  private lastCutAt = 0;

  constructor(
    readonly client: ServerClient,
    private readonly maxSeats: number,
  ) {
    this.limit = maxSeats;
  }

  get name(): string {
    return this.client.name;
  }

  get idSource(): IdSource {
    return this.probe?.idSource ?? "chat";
  }

  get hasFreeSeat(): boolean {
    return this.state === "up" && this.seats < Math.floor(this.limit);
  }

  /** Share of the seats that are taken. */
  get load(): number {
    return this.seats / this.limit;
  }

  /**
   * Learns from an answer's verdict.
   *
   * @returns what to check the server for, if it should get no more work before
   */
  learn(verdict: Verdict, now: number): string | undefined {
    if (verdict.kind !== "transient") {
      this.faultsInRow = 0;
      // Back to full size slowly: about one seat for every `limit` answers.
      this.limit = Math.min(this.maxSeats, this.limit + 1 / this.limit);
      return undefined;
    }
    const { reason, message } = verdict;
    if (reason === "unreachable" || reason === "ids-missing" || reason === "access-denied") return message;
    if (reason === "server-busy" || reason === "rate-limited") {
      if (now - this.lastCutAt >= BUSY_PAUSE_MS) {
        this.limit = Math.max(1, this.limit * BUSY_FACTOR);
        this.lastCutAt = now;
      }
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

  markDown(trouble: string): void {
    this.state = "down";
    this.trouble = trouble;
  }

  refuse(trouble: string): void {
    this.state = "refused";
    this.trouble = trouble;
  }
}
