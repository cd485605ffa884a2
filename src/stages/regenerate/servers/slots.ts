/**
 * Which conversation runs on which server. A conversation takes a slot on the least loaded server and keeps it, because
 * the prefix cache is per server.
 */
import type { PoolServer } from "./pool-server.js";

/** The run ends: by Ctrl-C or because another part failed. Not an error of its own. */
export class Stopped extends Error {
  override readonly name = "Stopped";
}

/** A conversation's place on a server; moving changes the server. */
export interface Slot {
  /** Undefined while it moves between servers, and after its release. */
  server: PoolServer | undefined;
}

interface Waiter {
  resolve(server: PoolServer): void;
  reject(error: Error): void;
}

export class Slots {
  private readonly waiters: Waiter[] = [];
  private failure: Error | undefined;

  /**
   * @param servers - of the pool; the list may change
   * @param drained - called when the last conversation has left a server that is to leave the pool
   */
  constructor(
    private readonly servers: readonly PoolServer[],
    private readonly drained: (server: PoolServer) => void,
  ) {}

  /** A slot on the least loaded server; waits until there is one. */
  async acquire(avoid?: string): Promise<Slot> {
    return { server: await this.place(false, avoid) };
  }

  release(slot: Slot): void {
    const { server } = slot;
    if (server === undefined) return;
    slot.server = undefined;
    server.slots -= 1;
    if (server.leaving && server.slots === 0) this.drained(server);
    this.assign();
  }

  /** The slot's own server while it is up. One that was down meanwhile may serve another model now. */
  workingServer(slot: Slot): PoolServer | Promise<PoolServer> {
    return slot.server?.works === true ? slot.server : this.move(slot);
  }

  /** For another attempt: a slot elsewhere if there is one, else the same, else (its server is down) waits for any. */
  async move(slot: Slot): Promise<PoolServer> {
    const { server } = slot;
    const other = this.leastLoaded(server?.name);
    if (other === undefined && server?.works === true) return server;
    if (other !== undefined) other.slots += 1;
    this.release(slot);
    slot.server = other ?? (await this.place(true));
    return slot.server;
  }

  /** Gives free slots to pending calls; to be called when a server has more of them. */
  assign(): void {
    while (this.waiters.length > 0) {
      const server = this.leastLoaded();
      if (server === undefined) return;
      server.slots += 1;
      this.waiters.shift()!.resolve(server);
    }
  }

  /** No more slots are given; pending calls fail with the first such error. */
  close(error: Error): void {
    this.failure ??= error;
    for (const waiter of this.waiters.splice(0)) waiter.reject(this.failure);
  }

  /** @param urgent - conversations under way come before new ones */
  private place(urgent: boolean, avoid?: string): Promise<PoolServer> {
    if (this.failure !== undefined) return Promise.reject(this.failure);
    const server = this.leastLoaded(avoid) ?? this.leastLoaded();
    if (server !== undefined) {
      server.slots += 1;
      return Promise.resolve(server);
    }
    return new Promise((resolve, reject) => {
      const waiter = { resolve, reject };
      if (urgent) this.waiters.unshift(waiter);
      else this.waiters.push(waiter);
    });
  }

  private leastLoaded(except?: string): PoolServer | undefined {
    let best: PoolServer | undefined;
    for (const server of this.servers) {
      if (server.name === except || !server.hasFreeSlot) continue;
      if (best === undefined || server.load < best.load) best = server;
    }
    return best;
  }
}
