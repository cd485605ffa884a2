/** All servers of a run: inspected before they get work, monitored while they have it, added and removed by a file. */
import { setMaxListeners } from "node:events";
import { apiKeyHeaders, DraftsmithError, serverName } from "../../../base/index.js";
import { longestPrompt, ServerClient, type Verdict } from "../../../sglang/index.js";
import {
  compared,
  type Inspection,
  inspect,
  limitDifference,
  type Objection,
  type Reference,
  refusal,
  type Terms,
  troubleOf,
  unreachable,
} from "./inspect.js";
import { ServerMonitor } from "./monitor.js";
import { PoolServer, type RenderingProof } from "./pool-server.js";
import { type WantedServer, wantedServers } from "./server-list.js";
import { ServerListWatcher } from "./server-list-watcher.js";
import { Slots, Stopped } from "./slots.js";

export interface PoolEvents {
  note(level: "info" | "warn", message: string): void;
}

export class ServerPool {
  readonly servers: PoolServer[] = [];
  readonly slots = new Slots(this.servers, (server) => this.drop(server));
  private referenceServer: Reference | undefined;
  private readonly closing = new AbortController();
  private readonly headers: Record<string, string>;
  private failure: Error | undefined;
  private monitor: ServerMonitor | undefined;
  private listWatcher: ServerListWatcher | undefined;

  private constructor(
    private readonly terms: Terms,
    private readonly events: PoolEvents,
  ) {
    setMaxListeners(0, this.closing.signal);
    this.headers = apiKeyHeaders(terms.options.apiKeyEnv);
  }

  /**
   * Inspects every server; those that do not answer may join later.
   *
   * @throws DraftsmithError SERVER_UNREACHABLE - none answers. @throws DraftsmithError SERVER_REFUSED - one is unfit;
   * with a servers file, only when every server that answers is.
   */
  static async open(terms: Terms, events: PoolEvents): Promise<ServerPool> {
    const pool = new ServerPool(terms, events);
    try {
      await pool.inspectAll();
      return pool;
    } catch (error) {
      await pool.close();
      throw error;
    }
  }

  /** What every server of this run agrees on. */
  get reference(): Reference {
    return this.referenceServer!;
  }

  /** Slots of all servers that may work again, at their present concurrency. */
  get capacity(): number {
    return this.servers.reduce((sum, { state, capacity }) => (state === "refused" ? sum : sum + capacity), 0);
  }

  /** Notes the verdict on an answer, and takes the server out of work where the verdict says something about it. */
  noteVerdict(server: PoolServer, verdict: Verdict): void {
    this.monitor?.noteVerdict(server, verdict);
  }

  /** Whether an answer that has just come is from the server that was inspected. */
  verify(server: PoolServer): boolean | Promise<boolean> {
    return this.monitor === undefined || server.isVerified || this.monitor.verify(server);
  }

  /** Whether the server still renders the probes as it did, by probes that begin after this call. */
  confirmRendering(server: PoolServer): Promise<boolean> {
    return this.monitor?.confirmRendering(server) ?? Promise.resolve(false);
  }

  /** Takes a server out of work that rendered a prompt wrongly, until `proof` finds it correct. */
  refuse(server: PoolServer, objection: Objection, proof: RenderingProof): void {
    this.monitor?.refuse(server, objection, proof);
  }

  /** An unexpected error in a timer, which nobody awaits. */
  get bug(): Error | undefined {
    return this.failure instanceof Stopped || this.failure instanceof DraftsmithError ? undefined : this.failure;
  }

  /** Ends the run: everybody who waits for a slot gets the error. */
  stop(error: Error): void {
    this.failure ??= error;
    this.slots.close(this.failure);
  }

  async close(): Promise<void> {
    this.closing.abort();
    this.monitor?.close();
    this.listWatcher?.close();
    this.stop(new Stopped("the servers are no longer needed"));
    await Promise.all(this.servers.map(({ client }) => client.close()));
  }

  private async inspectAll(): Promise<void> {
    const { options } = this.terms;
    for (const wanted of await wantedServers(options)) this.add(wanted);
    const inspections = await Promise.all(this.servers.map(({ client }) => inspect(client, this.terms)));
    let refused: DraftsmithError | undefined;
    for (const [index, server] of this.servers.entries()) {
      const found = inspections[index]!;
      if (found.state === "fit") this.referenceServer ??= { name: server.name, ...found };
      const inspection = this.referenceServer === undefined ? found : compared(found, this.referenceServer);
      if (inspection.state === "fit") {
        server.markUp(inspection.identity, inspection.probe);
        this.events.note("info", describe(server.name, inspection));
        const difference = limitDifference(server.name, inspection.identity, this.reference);
        if (difference !== undefined) this.events.note("warn", difference);
      } else if (inspection.state === "unfit") {
        // A list is what the user wants now, so a mistake in it ends the run; a file can still be corrected.
        refused ??= refusal(server.name, inspection);
        if (options.serversFile === undefined) throw refused;
        server.refuse(inspection.trouble);
        this.events.note("warn", `${server.name} is unfit and gets no work: ${inspection.trouble}`);
      } else {
        const { hint } = inspection;
        // Waiting does not correct a key.
        if (hint !== undefined) refused ??= refusal(server.name, { trouble: inspection.trouble, hint });
        if (refused !== undefined && options.serversFile === undefined) throw refused;
        server.markDown(troubleOf(inspection));
      }
    }
    if (this.referenceServer === undefined) {
      throw refused ?? unreachable(this.servers.map(({ trouble }) => trouble));
    }
    for (const { name, state, trouble } of this.servers) {
      if (state === "down") this.events.note("warn", `${name} does not answer yet: ${trouble}`);
    }
    const note = (level: "info" | "warn", message: string): void => this.events.note(level, message);
    const host = { note, returned: () => this.slots.assign(), stop: (error: Error) => this.stop(error) };
    this.monitor = new ServerMonitor(this.servers, this.terms, this.reference, host, this.closing.signal);
    const { serversFile: path, concurrency, serversReloadSeconds } = options;
    if (path === undefined) return;
    const changed = (wanted: WantedServer[]): void => this.follow(wanted);
    const failed = (error: Error): void => this.stop(error);
    const every = { path, concurrency, everyMs: serversReloadSeconds * 1000 };
    this.listWatcher = new ServerListWatcher(every, { note, changed, failed });
  }

  /** Applies a changed list: new servers join when they are fit, missing ones end their conversations and leave. */
  private follow(wanted: readonly WantedServer[]): void {
    const missing = new Map(this.servers.map((server) => [server.name, server]));
    for (const entry of wanted) {
      const name = serverName(entry.url);
      const server = missing.get(name);
      missing.delete(name);
      if (server === undefined) {
        this.monitor?.watch(this.add(entry));
        continue;
      }
      server.setConcurrency(entry.concurrency);
      if (!server.leaving) continue;
      server.leaving = false;
      this.events.note("info", `${name} is on the list again`);
    }
    for (const server of missing.values()) {
      if (server.leaving) continue;
      server.leaving = true;
      this.events.note("info", `${server.name} is no longer on the list: it ends ${server.slots} dialogues and leaves`);
      if (server.slots === 0) this.drop(server);
    }
    this.slots.assign();
  }

  private add({ url, concurrency }: WantedServer): PoolServer {
    const { maxConcurrency, maxRequestMegabytes, maxResponseMegabytes } = this.terms.options;
    const maxRequestBytes = Math.floor(maxRequestMegabytes * 2 ** 20);
    const maxResponseBytes = Math.floor(maxResponseMegabytes * 2 ** 20);
    // Slots bound the requests, and their number may change.
    const limits = { connections: null, maxRequestBytes, maxResponseBytes };
    const client = new ServerClient(url, { ...limits, headers: this.headers });
    const server = new PoolServer(client, concurrency, maxConcurrency);
    this.servers.push(server);
    return server;
  }

  private drop(server: PoolServer): void {
    server.gone = true;
    this.servers.splice(this.servers.indexOf(server), 1);
    void server.client.close();
  }
}

function describe(name: string, { identity, probe }: Extract<Inspection, { state: "fit" }>): string {
  const { dialect, engineVersion, servedModelName, contextLength } = identity;
  const context = contextLength === undefined ? "" : `, context ${contextLength}`;
  const limit = longestPrompt(identity);
  const prompts = limit === undefined ? "" : `, prompts up to ${limit}`;
  return `${name}: ${dialect} ${engineVersion ?? "of unknown version"} serves ${servedModelName}${context}${prompts}; ids from ${probe.idFields.response}`;
}
