/**
 * Keeps an eye on the servers of a run: those that are down get looked at until they are fit again, those that work
 * must show now and then, and after every new connection, that they are still what they were.
 */
import { identityDifferences, pause, type Verdict } from "../../sglang/index.js";
import type { Member } from "./member.js";
import { compared, inspect, type Reference, refusal, unreachable } from "./muster.js";
import type { RegenerateOptions } from "./options.js";

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

export class Patrol {
  private allDownTimer: NodeJS.Timeout | undefined;
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly members: readonly Member[],
    private readonly options: RegenerateOptions,
    private readonly reference: Reference,
    private readonly host: PatrolHost,
    /** Aborts when the fleet is closed. */
    private readonly closing: AbortSignal,
  ) {
    // Behind a gateway connections say nothing, so everybody is looked at now and then.
    this.timer = setInterval(() => {
      for (const member of members) if (member.state === "up") void this.lookAt(member);
    }, PATROL_MS);
    for (const member of members) if (member.state === "down") this.watch(member);
  }

  close(): void {
    clearInterval(this.timer);
    clearTimeout(this.allDownTimer);
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
    if (member.state !== "up" || this.closing.aborted) return;
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

  /** Looks at a server that is down until it is fit or unfit. */
  private watch(member: Member): void {
    this.watchAllDown();
    const loop = async (): Promise<void> => {
      let wait = FIRST_CHECK_MS;
      while (!this.closing.aborted) {
        await pause(wait, this.closing);
        if (this.closing.aborted) return;
        const inspection = compared(await inspect(member.client, this.options), this.reference);
        if (this.closing.aborted) return;
        if (inspection.state === "fit") {
          member.markUp(inspection.identity, inspection.probe);
          this.host.note("info", `${member.name} is back`);
          this.watchAllDown();
          this.host.returned();
          return;
        }
        if (inspection.state === "unfit") {
          member.refuse(inspection.trouble);
          this.host.note("warn", `${member.name} came back unfit and gets no more work: ${inspection.trouble}`);
          if (this.members.every(({ state }) => state === "refused")) this.host.stop(refusal(member.name, inspection));
          return;
        }
        member.trouble = inspection.trouble;
        wait = Math.min(LAST_CHECK_MS, wait * 2);
      }
    };
    loop().catch((error: unknown) => this.host.stop(error instanceof Error ? error : new Error(String(error))));
  }

  /** Starts the clock when no server is left, stops it when one is. */
  private watchAllDown(): void {
    if (this.members.some(({ state }) => state === "up")) {
      clearTimeout(this.allDownTimer);
      this.allDownTimer = undefined;
      return;
    }
    this.allDownTimer ??= setTimeout(
      () => this.host.stop(unreachable(this.members.map(({ trouble }) => trouble))),
      this.options.serverWaitSeconds * 1000,
    );
  }
}
