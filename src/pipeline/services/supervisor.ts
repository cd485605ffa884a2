/** Starts services when a step first needs them, notices when one dies, and stops each after its last user. */
import { join } from "node:path";
import { DraftsmithError, defined, type JsonValue } from "../../base/index.js";
import type { EventSink } from "../../events/index.js";
import type { PlannedService } from "../plan-types.js";
import { placeholder, type RunningService } from "./service.js";

export interface SupervisorRequest {
  services: readonly PlannedService[];
  /** Directory for the services' logs. */
  logs: string;
  events: EventSink;
  signal: AbortSignal;
}

export class Supervisor {
  private readonly request: SupervisorRequest;
  private readonly running = new Map<string, RunningService>();

  constructor(request: SupervisorRequest) {
    this.request = request;
  }

  /** Starts what is not running yet, one after the other. */
  async ensure(names: readonly string[]): Promise<void> {
    for (const name of names) if (!this.running.has(name)) await this.start(name);
  }

  /** Value of `${services.NAME.property}`: the real one of a running service, else a placeholder. */
  property(name: string, property: string): JsonValue {
    return this.running.get(name)?.properties[property] ?? placeholder(name, property);
  }

  /** Rejects when one of these dies. Never resolves. */
  died(names: readonly string[]): Promise<never> {
    const deaths = names.map((name) =>
      this.running.get(name)?.died?.catch((error: unknown) => {
        this.running.delete(name);
        this.emit(name, "failed", error instanceof Error ? error.message : String(error));
        throw error;
      }),
    );
    const all = Promise.race([...deaths.filter((death) => death !== undefined), new Promise<never>(() => undefined)]);
    // A death after the step has ended does not matter; the next ensure() starts the service again.
    all.catch(() => undefined);
    return all;
  }

  /** Stops every running service that is not in `needed`. Never throws: what cannot be stopped is reported. */
  async stopExcept(needed: ReadonlySet<string>): Promise<void> {
    const idle = [...this.running].filter(([name]) => !needed.has(name));
    await Promise.all(
      idle.map(async ([name, service]) => {
        this.running.delete(name);
        this.emit(name, "stopping");
        try {
          await service.stop();
          this.emit(name, "stopped");
        } catch (error) {
          this.emit(name, "failed", `could not be stopped: ${error instanceof Error ? error.message : String(error)}`);
        }
      }),
    );
  }

  killAll(): void {
    for (const service of this.running.values()) service.kill?.();
  }

  private async start(name: string): Promise<void> {
    const { services, logs, events, signal } = this.request;
    const planned = services.find((service) => service.name === name);
    if (planned === undefined) throw new Error(`no service ${name} in the plan`);
    this.emit(name, "starting", planned.type.name);
    try {
      const service = await planned.type.start(planned.options, {
        name,
        log: join(logs, `${name}.log`),
        events,
        signal,
      });
      this.running.set(name, service);
      // One that dies between two steps is started again by the second.
      service.died?.catch(() => {
        if (this.running.get(name) === service) this.running.delete(name);
      });
      const { url } = service.properties;
      this.emit(name, "ready", typeof url === "string" ? url : undefined);
    } catch (error) {
      if (signal.aborted)
        throw new DraftsmithError("INTERRUPTED", `stopped while the service ${name} was starting`, { cause: error });
      this.emit(name, "failed", error instanceof Error ? error.message : String(error));
      throw error;
    }
  }

  private emit(service: string, state: "starting" | "ready" | "stopping" | "stopped" | "failed", note?: string): void {
    this.request.events.emit({ type: "service", service, state, ...defined({ note }) });
  }
}
