/**
 * One server's connections in several pools: undici looks through a pool's connections for each request, which with
 * hundreds of them takes longer than building it.
 */
import { Pool } from "undici";

/** Requests under way in one pool, at most. */
const REQUESTS_PER_POOL = 32;

export interface SharedPool {
  readonly pool: Pool;
  /** Requests in flight; maintained by the caller that dispatches them. */
  inFlight: number;
}

export class ConnectionPools {
  private readonly pools: SharedPool[] = [];
  private isClosed = false;
  private opened = 0;

  /** @param connections - at most; requests beyond wait. Null: as many as there are requests. */
  constructor(
    private readonly origin: string,
    private readonly settings: Omit<Pool.Options, "connections">,
    private readonly connections: number | null,
  ) {}

  /** Connections opened so far. */
  get connectionsOpened(): number {
    return this.opened;
  }

  /** @returns undefined once they are closed. */
  free(): SharedPool | undefined {
    const most = this.connections === null ? REQUESTS_PER_POOL : Infinity;
    for (const shared of this.pools) if (shared.inFlight < most) return shared;
    return this.isClosed ? undefined : this.add();
  }

  /** Ends at once. @param reason - what requests under way fail with */
  async close(reason: Error): Promise<void> {
    this.isClosed = true;
    await Promise.all(this.pools.map(({ pool }) => pool.destroy(reason)));
  }

  private add(): SharedPool {
    // A bound even where none is asked for: a connection is free only shortly after its answer has arrived. Without a
    // bound the pool would open another for every request in between, in the end twice as many.
    const pool = new Pool(this.origin, { ...this.settings, connections: this.connections ?? REQUESTS_PER_POOL });
    pool.on("connect", () => {
      this.opened += 1;
    });
    const shared = { pool, inFlight: 0 };
    this.pools.push(shared);
    return shared;
  }
}
