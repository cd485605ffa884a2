/** What a service is to the pipeline: something with a URL that steps talk to, started lazily and stopped at the end. */
import type { z } from "zod";
import type { JsonValue } from "../../base/index.js";
import type { EventSink } from "../../events/index.js";
import type { Statement } from "../../stages/shared-settings.js";
import type { FileOptions, OptionName } from "../../stages/stage.js";

export interface ServiceContext {
  /** Name in the pipeline file. */
  name: string;
  /** File that receives what the service logs; kept with the run's history. */
  log: string;
  events: EventSink;
  signal: AbortSignal;
}

export interface RunningService {
  /** What `${services.NAME.property}` gives, by property. */
  properties: Record<string, JsonValue>;
  /** Rejects when the service dies on its own; absent when that cannot be known. */
  died?: Promise<never>;
  stop(): Promise<void>;
  /** Kills without waiting, for the second Ctrl-C. */
  kill?(): void;
}

export interface ServiceType<Options = unknown> {
  name: string;
  summary: string;
  options: z.ZodType<Options>;
  /** Options whose files' content tells one service from another; resolved like a stage's. */
  fileOptions?: FileOptions<Options>;
  /** Options that cannot change what a step gets from it: addresses, threads. */
  neutralOptions?: readonly OptionName<Options>[];
  /** Names that may follow `${services.NAME.`. */
  properties: readonly string[];
  /** Properties that are known without starting anything; `--dry-run` shows them and estimates with them. */
  known?(options: Options): Record<string, JsonValue>;
  /** What it says about settings that the steps which use it must agree on. */
  states?(options: Options): Statement[];
  /** What `--dry-run` says it would do. */
  describe(options: Options): string;
  /** @throws DraftsmithError SERVICE_FAILED or SERVER_UNREACHABLE. */
  start(options: Options, context: ServiceContext): Promise<RunningService>;
}

export function defineService<Options>(type: ServiceType<Options>): ServiceType<Options> {
  return type;
}

/**
 * Stands for a property while planning, when nothing is started: a URL that passes any schema and names no machine, so
 * that cache keys do not depend on addresses.
 */
export function placeholder(service: string, property: string): JsonValue {
  const url = `http://${service.replaceAll("_", "-").toLowerCase()}.service.invalid`;
  return property === "urls" ? [url] : url;
}
