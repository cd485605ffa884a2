/**
 * All servers of a run. A conversation takes a seat on the least loaded server and keeps it, because the prefix cache
 * is per server. Servers that fall silent are looked at again and again, and get work when they are fit.
 */
import { setMaxListeners } from "node:events";
import { DraftsmithError } from "../../base/index.js";
import { identityDifferences, pause, ServerClient, type Verdict } from "../../sglang/index.js";
import { Member } from "./member.js";
import { compared, type Inspection, inspect, type Reference, refusal, unreachable } from "./muster.js";
import type { RegenerateOptions } from "./options.js";

/** The run ends: by Ctrl-C or because another part failed. Not an error of its own. */
export class Stopped extends Error {
  override readonly name = "Stopped";
}

export interface FleetEvents {
  note(level: "info" | "warn", message: string): void;
}

/** A conversation's place on a server; moving changes the server. */
export interface Seat {
  /** Undefined between two servers, and once the seat is given back. */
  member: Member | undefined;
}

interface Waiter {
  resolve(member: Member): void;
  reject(error: Error): void;
}

const FIRST_CHECK_MS = 200;
const LAST_CHECK_MS = 10_000;
/** How often servers that work are asked who they are: one may be replaced between two requests. */
const PATROL_MS = 30_000;

export class Fleet {
  readonly members: Member[];
  private referenceServer: Reference | undefined;
  private readonly waiters: Waiter[] = [];
  private readonly closing = new AbortController();
  private failure: Error | undefined;
  private allDownTimer: NodeJS.Timeout | undefined;
  private patrolTimer: NodeJS.Timeout | undefined;

  private constructor(
    private readonly options: RegenerateOptions,
    private readonly events: FleetEvents,
  ) {
    setMaxListeners(0, this.closing.signal);
    const key = options.apiKeyEnv === undefined ? undefined : apiKey(options.apiKeyEnv);
    const headers: Record<string, string> = key === undefined ? {} : { authorization: `Bearer ${key}` };
    const connections = options.concurrency + 2;
    this.members = [...new Set(options.servers)].map(
      (url) => new Member(new ServerClient(url, { connections, headers }), options.concurrency),
    );
  }

  /**
   * Looks at every server; those that are away may come later.
   *
   * @throws DraftsmithError SERVER_UNREACHABLE - none answers. @throws DraftsmithError SERVER_REFUSED - one is unfit.
   */
  static async open(options: RegenerateOptions, events: FleetEvents): Promise<Fleet> {
    const fleet = new Fleet(options, events);
    try {
      await fleet.muster();
      return fleet;
    } catch (error) {
      await fleet.close();
      throw error;
    }
  }

  /** What every server of this run agrees on. */
  get reference(): Reference {
    return this.referenceServer!;
  }

  /** Seats of all servers that may ever work. */
  get capacity(): number {
    return this.members.filter(({ state }) => state !== "refused").length * this.options.concurrency;
  }

  /** A seat on the least loaded server; waits until there is one. */
  async acquire(avoid?: string): Promise<Seat> {
    return { member: await this.place(false, avoid) };
  }

  release(seat: Seat): void {
    const { member } = seat;
    if (member === undefined) return;
    seat.member = undefined;
    member.seats -= 1;
    this.seatWaiters();
  }

  /** The seat's own server while it is up. One that went down meanwhile may be another model when it comes back. */
  async fitMember(seat: Seat): Promise<Member> {
    return seat.member?.state === "up" ? seat.member : this.move(seat);
  }

  /** For another attempt: a seat elsewhere if there is one, else the same, else (its server is down) waits for any. */
  async move(seat: Seat): Promise<Member> {
    const { member } = seat;
    const other = this.leastLoaded(member?.name);
    if (other === undefined && member?.state === "up") return member;
    if (other !== undefined) other.seats += 1;
    this.release(seat);
    seat.member = other ?? (await this.place(true));
    return seat.member;
  }

  /** Takes note of an answer, and looks at the server again where the answer gives reason to. */
  report(member: Member, verdict: Verdict): void {
    const concern = member.learn(verdict, Date.now());
    if (concern !== undefined) this.suspect(member, concern);
  }

  /**
   * Whether an answer that has just come is from the server that was looked at. A connection that was open at the last
   * look ends at the same process; a newer one may end at whatever took the address since, so a new look is needed.
   */
  async vouches(member: Member): Promise<boolean> {
    const wanted = member.client.connectionsOpened;
    while (member.vouchedFor < wanted) if (!(await this.lookAt(member))) return false;
    return true;
  }

  /** No more work until it has been looked at. */
  private suspect(member: Member, concern: string): void {
    if (member.state !== "up" || this.closing.signal.aborted) return;
    member.markDown(concern);
    this.events.note("warn", `${member.name} gets no work until it is well again: ${concern}`);
    this.watch(member);
  }

  /** Ends the run: everybody who waits gets the error. */
  stop(error: Error): void {
    this.failure ??= error;
    for (const waiter of this.waiters.splice(0)) waiter.reject(this.failure);
  }

  async close(): Promise<void> {
    this.closing.abort();
    clearTimeout(this.allDownTimer);
    clearInterval(this.patrolTimer);
    this.stop(new Stopped("the servers are no longer needed"));
    await Promise.all(this.members.map(({ client }) => client.close()));
  }

  private async muster(): Promise<void> {
    const inspections = await Promise.all(this.members.map(({ client }) => inspect(client, this.options)));
    for (const [index, member] of this.members.entries()) {
      const found = inspections[index]!;
      if (found.state === "fit") this.referenceServer ??= { name: member.name, ...found };
      const inspection = this.referenceServer === undefined ? found : compared(found, this.referenceServer);
      if (inspection.state === "unfit") throw refusal(member.name, inspection);
      if (inspection.state === "fit") {
        member.markUp(inspection.identity, inspection.probe);
        this.events.note("info", describe(member.name, inspection));
      } else member.markDown(inspection.trouble);
    }
    if (this.referenceServer === undefined) throw unreachable(this.members.map(({ trouble }) => trouble));
    for (const member of this.members) {
      if (member.state === "up") continue;
      this.events.note("warn", `${member.name} does not answer yet: ${member.trouble}`);
      this.watch(member);
    }
    this.patrolTimer = setInterval(() => this.patrol(), PATROL_MS);
  }

  /** Behind a gateway connections say nothing, so now and then everybody is looked at. */
  private patrol(): void {
    for (const member of this.members) if (member.state === "up") void this.lookAt(member);
  }

  /** Asks a server who it is; calls at the same time share one look. @returns whether it is what it was */
  private lookAt(member: Member): Promise<boolean> {
    member.look ??= this.identify(member).finally(() => {
      member.look = undefined;
    });
    return member.look;
  }

  private async identify(member: Member): Promise<boolean> {
    const opened = member.client.connectionsOpened;
    try {
      const [difference] = identityDifferences(this.reference.identity, await member.client.identify());
      if (difference === undefined) {
        member.vouchedFor = opened;
        return true;
      }
      this.suspect(member, `its ${difference.field} has changed`);
    } catch (error) {
      this.suspect(member, error instanceof Error ? error.message : String(error));
    }
    return false;
  }

  private async inspectAgain(member: Member): Promise<Inspection> {
    return compared(await inspect(member.client, this.options), this.reference);
  }

  /** Looks at a server that is down until it is fit or unfit. */
  private watch(member: Member): void {
    this.watchAllDown();
    const loop = async (): Promise<void> => {
      let wait = FIRST_CHECK_MS;
      while (!this.closing.signal.aborted) {
        await pause(wait, this.closing.signal);
        if (this.closing.signal.aborted) return;
        const inspection = await this.inspectAgain(member);
        if (this.closing.signal.aborted) return;
        if (inspection.state === "fit") {
          member.markUp(inspection.identity, inspection.probe);
          this.events.note("info", `${member.name} is back`);
          this.watchAllDown();
          this.seatWaiters();
          return;
        }
        if (inspection.state === "unfit") {
          member.refuse(inspection.trouble);
          this.events.note("warn", `${member.name} came back unfit and gets no more work: ${inspection.trouble}`);
          if (this.members.every(({ state }) => state === "refused")) this.stop(refusal(member.name, inspection));
          return;
        }
        member.trouble = inspection.trouble;
        wait = Math.min(LAST_CHECK_MS, wait * 2);
      }
    };
    loop().catch((error: unknown) => this.stop(error instanceof Error ? error : new Error(String(error))));
  }

  /** Starts the clock when no server is left, stops it when one is. */
  private watchAllDown(): void {
    if (this.members.some(({ state }) => state === "up")) {
      clearTimeout(this.allDownTimer);
      this.allDownTimer = undefined;
      return;
    }
    this.allDownTimer ??= setTimeout(
      () => this.stop(unreachable(this.members.map(({ trouble }) => trouble))),
      this.options.serverWaitSeconds * 1000,
    );
  }

  /** @param urgent - conversations under way come before new ones */
  private place(urgent: boolean, avoid?: string): Promise<Member> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    const member = this.leastLoaded(avoid) ?? this.leastLoaded();
    if (member !== undefined) {
      member.seats += 1;
      return Promise.resolve(member);
    }
    return new Promise((resolve, reject) => {
      const waiter = { resolve, reject };
      if (urgent) this.waiters.unshift(waiter);
      else this.waiters.push(waiter);
    });
  }

  private leastLoaded(except?: string): Member | undefined {
    let best: Member | undefined;
    for (const member of this.members) {
      if (member.name === except || !member.hasFreeSeat) continue;
      if (best === undefined || member.load < best.load) best = member;
    }
    return best;
  }

  private seatWaiters(): void {
    while (this.waiters.length > 0) {
      const member = this.leastLoaded();
      if (member === undefined) return;
      member.seats += 1;
      this.waiters.shift()!.resolve(member);
    }
  }
}

function describe(name: string, { identity, probe }: Extract<Inspection, { state: "fit" }>): string {
  const { dialect, engineVersion, servedModelName, contextLength } = identity;
  const context = contextLength === undefined ? "" : `, context ${contextLength}`;
  return `${name}: ${dialect} ${engineVersion ?? "of unknown version"} serves ${servedModelName}${context}; ids from ${probe.idFields.response}`;
}

function apiKey(variable: string): string {
  const key = process.env[variable];
  if (key !== undefined && key !== "") return key;
  throw new DraftsmithError("OPTIONS_INVALID", `the environment variable ${variable} is not set`, {
    location: { field: "apiKeyEnv" },
  });
}
