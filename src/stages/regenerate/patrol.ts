/**
 * Keeps an eye on the servers of a run: those that are down get looked at until they are fit again, those that work
 * must show now and then, and after every new connection, that they are still what they were.
 */
import { identityDifferences, pause, type Verdict } from "../../sglang/index.js";
import type { Member } from "./member.js";
import { compared, inspect, limitDifference, type Reference, refusal, type Terms, unreachable } from "./muster.js";

export interface PatrolHost {
  note(level: "info" | "warn", message: string): void;
  /** A server has come back. */
  returned(): void;
  /** No server can go on. */
  stop(error: Error): void;
}

const FIRST_CHECK_MS = 200;
const LAST_CHECK_MS = 10_000;
/** How often servers that work are asked who they are: one may be replaced between two requests. */
const PATROL_MS = 30_000;
/** A server that was refused may be put right; it is looked at this many times more rarely than healthy ones. */
const REFUSED_FACTOR = 6;

export class Patrol {
  private allDownTimer: NodeJS.Timeout | undefined;
  private readonly timers: readonly NodeJS.Timeout[];
  /** Those that have not said yet whether they are ready: a slow one is not asked twice at a time. */
  private readonly asking = new Set<Member>();

  constructor(
    private readonly members: readonly Member[],
    private readonly terms: Terms,
    private readonly reference: Reference,
    private readonly host: PatrolHost,
    /** Aborts when the fleet is closed. */
    private readonly closing: AbortSignal,
  ) {
    // Behind a gateway connections say nothing, so everybody is looked at now and then.
    const look = setInterval(() => {
      for (const member of members) if (member.works) void this.lookAt(member);
    }, PATROL_MS);
    const askReady = setInterval(() => {
      for (const member of members) if (member.works) void this.askReady(member);
      this.watchAllDown();
    }, terms.options.healthSeconds * 1000);
    this.timers = [look, askReady];
    for (const member of members) if (!member.works) this.watch(member);
  }

  close(): void {
    for (const timer of this.timers) clearInterval(timer);
    clearTimeout(this.allDownTimer);
  }

  /** Takes note of an answer, and looks at the server again where the answer gives reason to. */
  report(member: Member, verdict: Verdict): void {
    const concern = member.learn(verdict);
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
    if (!member.works || member.gone || this.closing.aborted) return;
    member.markDown(concern);
    this.host.note("warn", `${member.name} gets no work until it is well again: ${concern}`);
    this.watch(member);
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

  /** A server that drains keeps its conversations, for their prefixes are in its cache; it only gets no new ones. */
  private async askReady(member: Member): Promise<void> {
    if (this.asking.has(member)) return;
    this.asking.add(member);
    try {
      this.learnReady(member, await member.client.isReady());
    } catch (error) {
      this.host.stop(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.asking.delete(member);
    }
  }

  private learnReady(member: Member, isReady: boolean | undefined): void {
    if (isReady === undefined || this.closing.aborted || member.gone || !member.markReady(isReady)) return;
    const words = isReady ? "takes new dialogues again" : "is draining and gets no new dialogues";
    this.host.note("info", `${member.name} ${words}`);
    if (isReady) this.host.returned();
  }

  /** Looks at a server that does not work until it is fit. */
  watch(member: Member): void {
    this.watchAllDown();
    if (member.watched) return;
    member.watched = true;
    this.untilFit(member)
      .finally(() => {
        member.watched = false;
      })
      .catch((error: unknown) => this.host.stop(error instanceof Error ? error : new Error(String(error))));
  }

  private async untilFit(member: Member): Promise<void> {
    const isNew = member.identity === undefined;
    let wait = isNew && member.trouble === "" ? 0 : member.state === "refused" ? this.refusedMs : FIRST_CHECK_MS;
    for (;;) {
      await pause(wait, this.closing);
      if (this.closing.aborted || member.gone) return;
      const inspection = compared(await inspect(member.client, this.terms), this.reference);
      if (this.closing.aborted || member.gone) return;
      if (inspection.state === "fit") {
        member.markUp(inspection.identity, inspection.probe);
        this.host.note("info", `${member.name} ${isNew ? "joins the run" : "is back"}`);
        const difference = limitDifference(member.name, inspection.identity, this.reference);
        if (difference !== undefined) this.host.note("warn", difference);
        this.watchAllDown();
        this.host.returned();
        return;
      }
      if (inspection.state === "unfit") {
        const words = isNew ? "is unfit and gets no work" : "came back unfit and gets no more work";
        if (member.trouble !== inspection.trouble)
          this.host.note("warn", `${member.name} ${words}: ${inspection.trouble}`);
        member.refuse(inspection.trouble);
        if (this.members.every(({ state }) => state === "refused")) this.host.stop(refusal(member.name, inspection));
        wait = this.refusedMs;
      } else {
        member.markDown(inspection.trouble);
        wait = Math.min(LAST_CHECK_MS, Math.max(FIRST_CHECK_MS, wait * 2));
      }
    }
  }

  private get refusedMs(): number {
    return this.terms.options.healthSeconds * 1000 * REFUSED_FACTOR;
  }

  /** Starts the clock when no server is left, stops it when one is. One that drains counts while it has dialogues. */
  private watchAllDown(): void {
    if (this.members.some(({ state, seats }) => state === "up" || (state === "draining" && seats > 0))) {
      clearTimeout(this.allDownTimer);
      this.allDownTimer = undefined;
      return;
    }
    this.allDownTimer ??= setTimeout(
      () => this.host.stop(unreachable(this.members.map(({ trouble }) => trouble))),
      this.terms.options.serverWaitSeconds * 1000,
    );
  }
}
