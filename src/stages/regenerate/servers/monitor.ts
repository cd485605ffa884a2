/**
 * Monitors the servers of a run: those that are out of work are inspected until they are fit again; those that work must
 * are checked regularly, and after every new connection, for being unchanged.
 */
import { accessHint } from "../../../base/index.js";
import { identityDifferences, pause, type Verdict } from "../../../sglang/index.js";
import {
  compared,
  type Inspection,
  inspect,
  inspectRendering,
  limitDifference,
  type Objection,
  type Reference,
  refusal,
  type Terms,
  troubleOf,
  unreachable,
} from "./inspect.js";
import type { PoolServer, RenderingProof } from "./pool-server.js";

export interface MonitorHost {
  note(level: "info" | "warn", message: string): void;
  /** A server has come back. */
  returned(): void;
  /** No server is left. */
  stop(error: Error): void;
}

const FIRST_CHECK_MS = 200;
const LAST_CHECK_MS = 10_000;
/** How often working servers are asked for their identity: one may be replaced between two requests. */
const IDENTITY_CHECK_MS = 30_000;
/** A refused server may be corrected by its operator; it is inspected this many times less often than healthy ones. */
const REFUSED_FACTOR = 6;
/** After each further wrong prompt a server waits this many times as long for its inspection. */
const DIFFERENCE_FACTOR = 4;

export class ServerMonitor {
  private allDownTimer: NodeJS.Timeout | undefined;
  private readonly timers: readonly NodeJS.Timeout[];
  /** Servers whose readiness is being asked: a slow one is not asked twice at a time. */
  private readonly asking = new Set<PoolServer>();

  constructor(
    private readonly servers: readonly PoolServer[],
    private readonly terms: Terms,
    private readonly reference: Reference,
    private readonly host: MonitorHost,
    /** Aborts when the pool is closed. */
    private readonly closing: AbortSignal,
  ) {
    // Behind a gateway connections say nothing about processes, so the clock decides.
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

  /** Notes the verdict on an answer, and takes the server out of work where the verdict says something about it. */
  noteVerdict(server: PoolServer, verdict: Verdict): void {
    const trouble = server.noteVerdict(verdict);
    if (trouble === undefined) return;
    const isDenied = verdict.kind === "transient" && verdict.denied === true;
    this.takeDown(server, isDenied ? `${trouble}; ${accessHint(this.terms.options.apiKeyEnv)}` : trouble);
  }

  /**
   * Takes a server out of work that rendered a prompt wrongly.
   *
   * @param proof - asks for that prompt again, before the server gets work
   */
  refuse(server: PoolServer, objection: Objection, proof: RenderingProof): void {
    if (!server.works || server.gone || this.closing.aborted) return;
    server.differences += 1;
    server.proof = proof;
    server.refuse(objection.trouble);
    this.host.note("warn", `${server.name} gets no work until it renders prompts correctly: ${objection.trouble}`);
    this.watch(server);
  }

  /**
   * Whether an answer that has just come is from the server that was inspected. A connection that was open at the last
   * identity check ends at the same process; a newer one may end at whatever has taken the address, so it needs a check.
   * After a connection broke, the rendering is checked as well: a server that was restarted with another max_pixels has
   * the same identity.
   */
  async verify(server: PoolServer): Promise<boolean> {
    const wanted = server.client.connectionsOpened;
    while (server.verifiedConnections < wanted) if (!(await this.checkIdentity(server))) return false;
    if (!server.mayHaveRestarted) return true;
    if (!(await this.confirmRendering(server))) return false;
    server.mayHaveRestarted = false;
    return true;
  }

  /** Whether the server renders the probes as at its inspection, by probes that begin after this call. */
  confirmRendering(server: PoolServer): Promise<boolean> {
    return server.renderingCheck.fresh(() => this.probeAgain(server));
  }

  /** Whatever the server's state: one that is out of work for its faults may have given a good answer before. */
  private async probeAgain(server: PoolServer): Promise<boolean> {
    const { client, identity } = server;
    if (identity === undefined) return false;
    const inspection = compared(await inspectRendering(client, identity, this.terms), this.reference);
    if (this.closing.aborted) return false;
    if (inspection.state === "fit") return true;
    if (inspection.state === "away") this.takeDown(server, troubleOf(inspection));
    else this.refuse(server, inspection, () => Promise.resolve(undefined));
    return false;
  }

  /** No more work until it has been inspected. */
  private takeDown(server: PoolServer, trouble: string): void {
    if (!server.works || server.gone || this.closing.aborted) return;
    server.markDown(trouble);
    this.host.note("warn", `${server.name} gets no work until it is healthy again: ${trouble}`);
    this.watch(server);
  }

  /** Asks a server for its identity; calls at the same time share one check. @returns whether it is unchanged */
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

  /** Inspects a server that does not work until it is fit. */
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
    let wait = this.firstWaitMs(server);
    for (;;) {
      await pause(wait, this.closing);
      if (this.closing.aborted || server.gone) return;
      const inspection = await this.inspect(server);
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
        server.markDown(troubleOf(inspection));
        wait = Math.min(LAST_CHECK_MS, Math.max(FIRST_CHECK_MS, wait * 2));
      }
    }
  }

  private async inspect(server: PoolServer): Promise<Inspection> {
    const inspection = compared(await inspect(server.client, this.terms), this.reference);
    if (inspection.state !== "fit") return inspection;
    return (await server.proof?.(server.client, inspection.probe)) ?? inspection;
  }

  private firstWaitMs(server: PoolServer): number {
    if (server.identity === undefined && server.trouble === "") return 0;
    if (server.proof !== undefined)
      return Math.min(this.refusedMs, FIRST_CHECK_MS * DIFFERENCE_FACTOR ** (server.differences - 1));
    return server.state === "refused" ? this.refusedMs : FIRST_CHECK_MS;
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
