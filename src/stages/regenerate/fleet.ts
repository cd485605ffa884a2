/**
 * All servers of a run. A conversation takes a seat on the least loaded server and keeps it, because the prefix cache
 * is per server. Servers that fall silent are looked at again and again, and get work when they are fit.
 */
import { setMaxListeners } from "node:events";
import { DraftsmithError, isKeyForVariable } from "../../base/index.js";
import { longestPrompt, ServerClient, serverName, type Verdict } from "../../sglang/index.js";
import { Member } from "./member.js";
import {
  compared,
  type Inspection,
  inspect,
  limitDifference,
  type Reference,
  refusal,
  type Terms,
  unreachable,
} from "./muster.js";
import { Patrol } from "./patrol.js";
import { Roster } from "./roster.js";
import { type WantedServer, wantedServers } from "./servers.js";

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

export class Fleet {
  readonly members: Member[] = [];
  private referenceServer: Reference | undefined;
  private readonly waiters: Waiter[] = [];
  private readonly closing = new AbortController();
  private readonly headers: Record<string, string>;
  private failure: Error | undefined;
  private patrol: Patrol | undefined;
  private roster: Roster | undefined;

  private constructor(
    private readonly terms: Terms,
    private readonly events: FleetEvents,
  ) {
    setMaxListeners(0, this.closing.signal);
    const { apiKeyEnv } = terms.options;
    const key = apiKeyEnv === undefined ? undefined : apiKey(apiKeyEnv);
    this.headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
  }

  /**
   * Looks at every server; those that are away may come later.
   *
   * @throws DraftsmithError SERVER_UNREACHABLE - none answers. @throws DraftsmithError SERVER_REFUSED - one is unfit;
   * of those in a file, all that answer.
   */
  static async open(terms: Terms, events: FleetEvents): Promise<Fleet> {
    const fleet = new Fleet(terms, events);
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

  /** Seats of all servers that may ever work, as many as they bear at present. */
  get capacity(): number {
    return this.members.reduce((sum, { state, capacity }) => (state === "refused" ? sum : sum + capacity), 0);
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
    if (member.leaving && member.seats === 0) this.drop(member);
    this.seatWaiters();
  }

  /** The seat's own server while it is up. One that went down meanwhile may be another model when it comes back. */
  fitMember(seat: Seat): Member | Promise<Member> {
    return seat.member?.works === true ? seat.member : this.move(seat);
  }

  /** For another attempt: a seat elsewhere if there is one, else the same, else (its server is down) waits for any. */
  async move(seat: Seat): Promise<Member> {
    const { member } = seat;
    const other = this.leastLoaded(member?.name);
    if (other === undefined && member?.works === true) return member;
    if (other !== undefined) other.seats += 1;
    this.release(seat);
    seat.member = other ?? (await this.place(true));
    return seat.member;
  }

  /** Takes note of an answer, and looks at the server again where the answer gives reason to. */
  report(member: Member, verdict: Verdict): void {
    this.patrol?.report(member, verdict);
  }

  /** Whether an answer that has just come is from the server that was looked at. */
  vouches(member: Member): boolean | Promise<boolean> {
    return this.patrol === undefined || member.isVouchedFor || this.patrol.vouches(member);
  }

  /** What a timer ran into that is no user's mistake: nobody may have been waiting for it to reach. */
  get bug(): Error | undefined {
    return this.failure instanceof Stopped || this.failure instanceof DraftsmithError ? undefined : this.failure;
  }

  /** Ends the run: everybody who waits gets the error. */
  stop(error: Error): void {
    this.failure ??= error;
    for (const waiter of this.waiters.splice(0)) waiter.reject(this.failure);
  }

  async close(): Promise<void> {
    this.closing.abort();
    this.patrol?.close();
    this.roster?.close();
    this.stop(new Stopped("the servers are no longer needed"));
    await Promise.all(this.members.map(({ client }) => client.close()));
  }

  private async muster(): Promise<void> {
    const { options } = this.terms;
    for (const server of await wantedServers(options)) this.add(server);
    const inspections = await Promise.all(this.members.map(({ client }) => inspect(client, this.terms)));
    let refused: DraftsmithError | undefined;
    for (const [index, member] of this.members.entries()) {
      const found = inspections[index]!;
      if (found.state === "fit") this.referenceServer ??= { name: member.name, ...found };
      const inspection = this.referenceServer === undefined ? found : compared(found, this.referenceServer);
      if (inspection.state === "fit") {
        member.markUp(inspection.identity, inspection.probe);
        this.events.note("info", describe(member.name, inspection));
        const difference = limitDifference(member.name, inspection.identity, this.reference);
        if (difference !== undefined) this.events.note("warn", difference);
      } else if (inspection.state === "unfit") {
        // A list is what the user wants now, so a mistake in it ends the run; a file lives on and may be put right.
        refused ??= refusal(member.name, inspection);
        if (options.serversFile === undefined) throw refused;
        member.refuse(inspection.trouble);
        this.events.note("warn", `${member.name} is unfit and gets no work: ${inspection.trouble}`);
      } else member.markDown(inspection.trouble);
    }
    if (this.referenceServer === undefined) {
      throw refused ?? unreachable(this.members.map(({ trouble }) => trouble));
    }
    for (const { name, state, trouble } of this.members) {
      if (state === "down") this.events.note("warn", `${name} does not answer yet: ${trouble}`);
    }
    const note = (level: "info" | "warn", message: string): void => this.events.note(level, message);
    const host = { note, returned: () => this.seatWaiters(), stop: (error: Error) => this.stop(error) };
    this.patrol = new Patrol(this.members, this.terms, this.reference, host, this.closing.signal);
    const { serversFile: path, concurrency, serversReloadSeconds } = options;
    if (path === undefined) return;
    const changed = (servers: WantedServer[]): void => this.follow(servers);
    const failed = (error: Error): void => this.stop(error);
    const every = { path, concurrency, everyMs: serversReloadSeconds * 1000 };
    this.roster = new Roster(every, { note, changed, failed });
  }

  /** Another list of servers: new ones join when they are fit, missing ones end their conversations and leave. */
  private follow(servers: readonly WantedServer[]): void {
    const missing = new Map(this.members.map((member) => [member.name, member]));
    for (const server of servers) {
      const name = serverName(server.url);
      const member = missing.get(name);
      missing.delete(name);
      if (member === undefined) {
        this.patrol?.watch(this.add(server));
        continue;
      }
      member.setConcurrency(server.concurrency);
      if (!member.leaving) continue;
      member.leaving = false;
      this.events.note("info", `${name} is on the list again`);
    }
    for (const member of missing.values()) {
      if (member.leaving) continue;
      member.leaving = true;
      this.events.note("info", `${member.name} is no longer on the list: it ends ${member.seats} dialogues and leaves`);
      if (member.seats === 0) this.drop(member);
    }
    this.seatWaiters();
  }

  private add({ url, concurrency }: WantedServer): Member {
    const { maxConcurrency, maxRequestMegabytes, maxResponseMegabytes } = this.terms.options;
    const maxRequestBytes = Math.floor(maxRequestMegabytes * 2 ** 20);
    const maxResponseBytes = Math.floor(maxResponseMegabytes * 2 ** 20);
    // Seats bound the requests, and their number may change.
    const limits = { connections: null, maxRequestBytes, maxResponseBytes };
    const client = new ServerClient(url, { ...limits, headers: this.headers });
    const member = new Member(client, concurrency, maxConcurrency);
    this.members.push(member);
    return member;
  }

  private drop(member: Member): void {
    member.gone = true;
    this.members.splice(this.members.indexOf(member), 1);
    void member.client.close();
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
  const limit = longestPrompt(identity);
  const prompts = limit === undefined ? "" : `, prompts up to ${limit}`;
  return `${name}: ${dialect} ${engineVersion ?? "of unknown version"} serves ${servedModelName}${context}${prompts}; ids from ${probe.idFields.response}`;
}

function apiKey(variable: string): string {
  const key = process.env[variable];
  if (key !== undefined && key !== "") return key;
  // Somebody may have put the key itself there.
  const named = isKeyForVariable("apiKeyEnv", variable) ? "that it names" : variable;
  throw new DraftsmithError("OPTIONS_INVALID", `the environment variable ${named} is not set`, {
    location: { field: "apiKeyEnv" },
    hint: `export it before the run; the option takes the variable's name, never the key`,
  });
}
