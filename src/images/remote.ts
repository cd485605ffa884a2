/** Pictures from addresses that the user allowed by name. Everything else on the network stays unfetched. */
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent } from "undici";
import { tooManyBytes } from "./canonicalise.js";
import { type ImageResult, refuse } from "./reasons.js";

export interface RemoteRules {
  /** http or https addresses; whatever lies below one of them may be fetched. */
  allow: readonly string[];
  /** Of an answer. */
  maxBytes: number;
  /** For one attempt, from its start to the last byte. */
  timeoutMs: number;
  /** Further attempts after a fault that may pass. */
  retries: number;
  /** Wait before the second attempt; doubles with each further one. */
  retryDelayMs: number;
}

/** Nobody answered, or only in a way that may pass. */
export class RemoteFault extends Error {
  override readonly name = "RemoteFault";
}

const CONNECTIONS_PER_SERVER = 16;
/** Statuses below 500 that may pass. */
const PASSING = new Set([408, 425, 429]);

export function isRemote(reference: string): boolean {
  return /^https?:/i.test(reference);
}

/** Why a text cannot stand in the list of allowed addresses; undefined when it can. */
export function allowedAddressProblem(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !isRemote(text))
    return "is no http or https address, such as https://images.example.org/set/";
  if (url.username !== "" || url.password !== "") return "holds credentials, which are never sent";
  if (url.search !== "" || url.hash !== "") return "has a query or fragment; an allowed address is a beginning";
  if (!url.pathname.endsWith("/")) return `must end in "/": everything below it is allowed`;
  return undefined;
}

/** Origin and path: queries often hold signatures, which belong into no message and no record. */
export function remoteName(reference: string): string {
  if (!URL.canParse(reference)) return "an address that cannot be read";
  const { origin, pathname } = new URL(reference);
  const name = origin + pathname;
  return name.length > 200 ? `${name.slice(0, 200)}...` : name;
}

export class RemoteImages {
  private readonly agent = new Agent({ connections: CONNECTIONS_PER_SERVER });
  private readonly allowed: readonly URL[];

  /** @param rules - `allow` holds addresses without `allowedAddressProblem` */
  constructor(private readonly rules: RemoteRules) {
    this.allowed = rules.allow.map((address) => new URL(address));
  }

  /**
   * Fetches one picture. Follows no redirect and sends no credentials.
   *
   * @throws RemoteFault - after all attempts; the same call may succeed later
   */
  async fetch(reference: string, signal: AbortSignal): Promise<ImageResult<{ bytes: Buffer }>> {
    const refused = this.refusal(reference);
    if (refused !== undefined) return refuse("image-remote-refused", refused);
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.once(new URL(reference), signal);
      } catch (error) {
        signal.throwIfAborted();
        if (attempt === this.rules.retries) {
          const words = error instanceof RemoteFault ? error.message : faultWords(error);
          throw new RemoteFault(`${remoteName(reference)}: ${words}, ${attempt + 1} attempts`, { cause: error });
        }
        await sleep(this.rules.retryDelayMs * 2 ** attempt, undefined, { signal });
      }
    }
  }

  async close(): Promise<void> {
    await this.agent.destroy();
  }

  private refusal(reference: string): string | undefined {
    if (!URL.canParse(reference)) return "the address cannot be read";
    const url = new URL(reference);
    if (url.username !== "" || url.password !== "")
      return `${remoteName(reference)}: addresses with credentials are refused`;
    const isAllowed = this.allowed.some(
      ({ origin, pathname }) => origin === url.origin && url.pathname.startsWith(pathname),
    );
    if (!isAllowed) return `${remoteName(reference)} lies below none of the allowed addresses`;
    // URL resolves "..", and "%2e%2e" too; servers may still see a separator in what URL takes for part of a name.
    if (/%2f|%5c|%00/i.test(url.pathname)) return `${remoteName(reference)}: escaped separators are refused`;
    return undefined;
  }

  private async once(url: URL, outer: AbortSignal): Promise<ImageResult<{ bytes: Buffer }>> {
    const { timeoutMs, maxBytes } = this.rules;
    const answer = await this.agent.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method: "GET",
      headers: { accept: "image/*", "accept-encoding": "identity", "user-agent": "draftsmith" },
      signal: AbortSignal.any([outer, AbortSignal.timeout(timeoutMs)]),
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    const { statusCode: status, body } = answer;
    if (status !== 200) {
      drop(body);
      if (status >= 500 || PASSING.has(status)) throw new RemoteFault(`status ${status}`);
      const isRedirect = status >= 300 && status < 400;
      if (isRedirect)
        return refuse("image-remote-refused", `${remoteName(url.href)} redirects; redirects are not followed`);
      return refuse("image-remote-status", `${remoteName(url.href)}: status ${status}`);
    }
    const announced = Number(answer.headers["content-length"] ?? 0) || 0;
    const chunks: Buffer[] = [];
    let bytes = 0;
    if (announced <= maxBytes) {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        if (bytes > maxBytes) break;
        chunks.push(chunk);
      }
    } else bytes = announced;
    if (bytes > maxBytes) {
      drop(body);
      return tooManyBytes(bytes, maxBytes);
    }
    return { ok: true, bytes: Buffer.concat(chunks) };
  }
}

/** Closes the connection: what else comes over it is not wanted. */
function drop(body: Readable): void {
  body.on("error", () => undefined);
  body.destroy();
}

function faultWords(error: unknown): string {
  const { name, code, message } = error as Error & { code?: string };
  if (name === "TimeoutError") return "no complete answer in time";
  return code ?? message;
}
