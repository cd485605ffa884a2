/** Reads the servers file periodically and reports when its list has changed. */
import { DraftsmithError } from "../../../base/index.js";
import { parseServersFile, readServersFile, type WantedServer } from "./server-list.js";

export interface ServerListHost {
  note(level: "info" | "warn", message: string): void;
  changed(servers: WantedServer[]): void;
  /** An unexpected error, which must end the run and not the process. */
  failed(error: Error): void;
}

export interface ServerListOptions {
  path: string;
  /** For servers without one of their own. */
  concurrency: WantedServer["concurrency"];
  everyMs: number;
}

export class ServerListWatcher {
  private current: string | undefined;
  /** Seen once: it may still be being written. */
  private pending: string | undefined;
  private complaint = "";
  private looking = false;
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly options: ServerListOptions,
    private readonly host: ServerListHost,
  ) {
    this.timer = setInterval(() => void this.look(), options.everyMs);
  }

  close(): void {
    clearInterval(this.timer);
  }

  private async look(): Promise<void> {
    if (this.looking) return;
    this.looking = true;
    try {
      const text = await readServersFile(this.options.path);
      if (text === this.current) this.pending = undefined;
      else if (text !== this.pending) this.pending = text;
      else this.take(text);
    } catch (error) {
      this.complain(error);
    } finally {
      this.looking = false;
    }
  }

  private take(text: string): void {
    this.host.changed(parseServersFile(text, this.options.path, this.options.concurrency));
    this.current = text;
    this.pending = undefined;
    this.complaint = "";
  }

  /** Once per problem: the file may stay broken for hours. */
  private complain(error: unknown): void {
    if (!(error instanceof DraftsmithError)) {
      this.host.failed(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    const line = error.location?.line;
    const words = line === undefined ? error.message : `line ${line}: ${error.message}`;
    if (words === this.complaint) return;
    this.complaint = words;
    this.host.note("warn", `${this.options.path} is not usable, the servers stay as they are: ${words}`);
  }
}
