/**
 * Keeps an eye on the servers of a run: those that are down get looked at until they are fit again, those that work
 * must show now and then, and after every new connection, that they are still what they were.
 */
import { identityDifferences, pause, type Verdict } from "../../../sglang/index.js";
import { compared, inspect, limitDifference, type Reference, refusal, type Terms, unreachable } from "./inspect.js";
import type { PoolServer } from "./pool-server.js";

export interface MonitorHost {
  note(level: "info" | "warn", message: string): void;
  /** A server has come back. */
  returned(): void;
  /** No server can go on. */
  stop(error: Error): void;
}

const FIRST_CHECK_MS = 200;
const LAST_CHECK_MS = 10_000;
/** How often servers that work are asked who they are: one may be replaced between two requests. */
const IDENTITY_CHECK_MS = 30_000;
/** A server that was refused may be put right; it is looked at this many times more rarely than healthy ones. */
const REFUSED_FACTOR = 6;

export class ServerMonitor {
  private allDownTimer: NodeJS.Timeout | undefined;
  private readonly timers: readonly NodeJS.Timeout[];
  /** Those that have not said yet whether they are ready: a slow one is not asked twice at a time. */
  private readonly asking = new Set<PoolServer>();

  constructor(
    private readonly servers: readonly PoolServer[],
    private readonly terms: Terms,
    private readonly reference: Reference,
    private readonly host: MonitorHost,
    /** Aborts when the pool is closed. */
    private readonly closing: AbortSignal,
  ) {
    // Behind a gateway connections say nothing, so everybody is looked at now and then.
    const checkAll = setInterval(() => {
      for (const server of servers) if (server.works) void this.checkIdentity(server);
    }, IDENTITY_CHECK_MS);
    const askReady = setInterval(() => {
      for (const server of servers) if (server.works) void this.askReady(server);
      this.watchAllDown();
    }, terms.options.healthSeconds * 1000);
    this.timers = [checkAll, askReady];
    for (const server of servers) if (!server.works) this.watch(server);
  }

  close(): void {
    for (const timer of this.timers) clearInterval(timer);
    clearTimeout(this.allDownTimer);
  }

  /** Takes note of an answer, and looks at the server again where the answer gives reason to. */
  noteVerdict(server: PoolServer, verdict: Verdict): void {
    const concern = server.noteVerdict(verdict);
    if (concern !== undefined) this.takeDown(server, concern);
  }

  /**
   * Whether an answer that has just come is from the server that was looked at. A connection that was open at the last
   * look ends at the same process; a newer one may end at whatever took the address since, so a new look is needed.
   */
  async verify(server: PoolServer): Promise<boolean> {
    const wanted = server.client.connectionsOpened;
    while (server.verifiedConnections < wanted) if (!(await this.checkIdentity(server))) return false;
    return true;
  }

  /** No more work until it has been looked at. */
  private takeDown(server: PoolServer, concern: string): void {
    if (!server.works || server.gone || this.closing.aborted) return;
    server.markDown(concern);
    this.host.note("warn", `${server.name} gets no work until it is well again: ${concern}`);
    this.watch(server);
  }

  /** Asks a server who it is; calls at the same time share one look. @returns whether it is what it was */
  private checkIdentity(server: PoolServer): Promise<boolean> {
    server.identityCheck ??= this.identify(server).finally(() => {
      server.identityCheck = undefined;
    });
    return server.identityCheck;
  }

  private async identify(server: PoolServer): Promise<boolean> {
    const opened = server.client.connectionsOpened;
    try {
      const [difference] = identityDifferences(this.reference.identity, await server.client.identify());
      if (difference === undefined) {
        server.verifiedConnections = opened;
        return true;
      }
      this.takeDown(server, `its ${difference.field} has changed`);
    } catch (error) {
      this.takeDown(server, error instanceof Error ? error.message : String(error));
    }
    return false;
  }

  /** A server that drains keeps its conversations, for their prefixes are in its cache; it only gets no new ones. */
  private async askReady(server: PoolServer): Promise<void> {
    if (this.asking.has(server)) return;
    this.asking.add(server);
    try {
      this.noteReady(server, await server.client.isReady());
    } catch (error) {
      this.host.stop(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.asking.delete(server);
    }
  }

  private noteReady(server: PoolServer, isReady: boolean | undefined): void {
    if (isReady === undefined || this.closing.aborted || server.gone || !server.markReady(isReady)) return;
    const words = isReady ? "takes new dialogues again" : "is draining and gets no new dialogues";
    this.host.note("info", `${server.name} ${words}`);
    if (isReady) this.host.returned();
  }

  /** Looks at a server that does not work until it is fit. */
  watch(server: PoolServer): void {
    this.watchAllDown();
    if (server.watched) return;
    server.watched = true;
    this.untilFit(server)
      .finally(() => {
        server.watched = false;
      })
      .catch((error: unknown) => this.host.stop(error instanceof Error ? error : new Error(String(error))));
  }

  private async untilFit(server: PoolServer): Promise<void> {
    const isNew = server.identity === undefined;
    let wait = isNew && server.trouble === "" ? 0 : server.state === "refused" ? this.refusedMs : FIRST_CHECK_MS;
    for (;;) {
      await pause(wait, this.closing);
      if (this.closing.aborted || server.gone) return;
      const inspection = compared(await inspect(server.client, this.terms), this.reference);
      if (this.closing.aborted || server.gone) return;
      if (inspection.state === "fit") {
        server.markUp(inspection.identity, inspection.probe);
        this.host.note("info", `${server.name} ${isNew ? "joins the run" : "is back"}`);
        const difference = limitDifference(server.name, inspection.identity, this.reference);
        if (difference !== undefined) this.host.note("warn", difference);
        this.watchAllDown();
        this.host.returned();
        return;
      }
      if (inspection.state === "unfit") {
        const words = isNew ? "is unfit and gets no work" : "came back unfit and gets no more work";
        if (server.trouble !== inspection.trouble)
          this.host.note("warn", `${server.name} ${words}: ${inspection.trouble}`);
        server.refuse(inspection.trouble);
        if (this.servers.every(({ state }) => state === "refused")) this.host.stop(refusal(server.name, inspection));
        wait = this.refusedMs;
      } else {
        server.markDown(inspection.trouble);
        wait = Math.min(LAST_CHECK_MS, Math.max(FIRST_CHECK_MS, wait * 2));
      }
    }
  }

  private get refusedMs(): number {
    return this.terms.options.healthSeconds * 1000 * REFUSED_FACTOR;
  }

  /** Starts the clock when no server is left, stops it when one is. One that drains counts while it has dialogues. */
  private watchAllDown(): void {
    if (this.servers.some(({ state, slots }) => state === "up" || (state === "draining" && slots > 0))) {
      clearTimeout(this.allDownTimer);
      this.allDownTimer = undefined;
      return;
    }
    this.allDownTimer ??= setTimeout(
      () => this.host.stop(unreachable(this.servers.map(({ trouble }) => trouble))),
      this.terms.options.serverWaitSeconds * 1000,
    );
  }
}
