/** Accepted requests on disk, and in memory only where each lies and which belong together. */
import { type FileHandle, open } from "node:fs/promises";
import { onDisk, readFully } from "../../../artifacts/index.js";
import { digestOf, type JsonObject, parseJson, stringifyJson } from "../../../base/index.js";
import type { Dialogue, GeneratedTurn, Message } from "../../../dialogue/index.js";

/** One request with its answer, canonical. */
export interface LoggedRequest {
  id: string;
  source: Dialogue["source"];
  messages: Message[];
  tools?: JsonObject[];
  tags?: Record<string, string>;
  answer: Message;
  /** Ids of the whole prompt, folded. */
  prompt: GeneratedTurn["response"];
  response: GeneratedTurn["response"];
  finish: GeneratedTurn["finish"];
}

interface Place {
  offset: number;
  bytes: number;
}

const FLUSH_BYTES = 1 << 20;
/** Digits kept of each digest. */
const DIGITS = 32;

export class RequestStore {
  private readonly groups: Place[][] = [];
  /** Groups by the name of their conversation. */
  private readonly named = new Map<string, number>();
  /** Groups by what a request that continues them begins with. */
  private readonly open = new Map<string, number>();
  private pending: Buffer[] = [];
  private pendingBytes = 0;
  private written = 0;

  private constructor(
    private readonly path: string,
    private readonly handle: FileHandle,
  ) {}

  static async create(path: string): Promise<RequestStore> {
    return new RequestStore(path, await onDisk(path, () => open(path, "w+"), "write"));
  }

  /** @param conversation - groups requests; without one, a request that repeats another with its answer continues it */
  async add(request: LoggedRequest, conversation: string | undefined): Promise<void> {
    const group = this.groupOf(request, conversation);
    const line = Buffer.from(stringifyJson(request));
    this.groups[group]!.push({ offset: this.written, bytes: line.length });
    this.written += line.length;
    this.pending.push(line);
    this.pendingBytes += line.length;
    if (this.pendingBytes >= FLUSH_BYTES) await this.flush();
  }

  /** The requests of each dialogue, in the order of their first ones; within, in the order of the log. */
  async *grouped(): AsyncGenerator<LoggedRequest[]> {
    await this.flush();
    for (const places of this.groups) {
      const requests: LoggedRequest[] = [];
      for (const place of places) {
        requests.push(await this.read(place));
      }
      yield requests;
    }
  }

  close(): Promise<void> {
    return this.handle.close();
  }

  private groupOf({ messages, answer }: LoggedRequest, conversation: string | undefined): number {
    if (conversation !== undefined) {
      const known = this.named.get(conversation);
      if (known !== undefined) return known;
    }
    const last = messages.findLastIndex(({ role }) => role === "assistant");
    const before = last < 0 ? undefined : this.open.get(keyOf(messages.slice(0, last), messages[last]!));
    const group = conversation === undefined && before !== undefined ? before : this.groups.push([]) - 1;
    if (conversation !== undefined) this.named.set(conversation, group);
    else this.open.set(keyOf(messages, answer), group);
    return group;
  }

  /** What `add` wrote. */
  private async read<Content = LoggedRequest>({ offset, bytes }: Place): Promise<Content> {
    const line = Buffer.allocUnsafe(bytes);
    await onDisk(this.path, () => readFully(this.handle, line, offset));
    return parseJson(line.toString("utf8")) as Content;
  }

  private async flush(): Promise<void> {
    const bytes = Buffer.concat(this.pending);
    this.pending = [];
    this.pendingBytes = 0;
    if (bytes.length > 0) await onDisk(this.path, () => this.handle.appendFile(bytes), "write");
  }
}

function keyOf(messages: readonly Message[], answer: Message): string {
  return digestOf([messages, saidIn(answer)]).slice(0, DIGITS);
}

/** What an answer says, however a client puts it into the history: without thinking, and without space around it. */
export function saidIn({ content, toolCalls = [] }: Message): string {
  const whole = content.map((part) => (part.type === "text" ? part.text : "")).join("");
  const text = whole.slice(whole.lastIndexOf("</think>") + 1).replace(/^\/think>/, "");
  return stringifyJson([text.trim(), toolCalls.map(({ name, arguments: given }) => [name, given])]);
}
