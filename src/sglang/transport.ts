/**
 * One server's HTTP connections: bodies go out as prepared bytes, answers come back whole and bounded.
 * undici's own time limits are switched off, because they kill long generations; each request brings its own.
 */
import type { Dispatcher, Pool } from "undici";
import { basicAuthorization, DraftsmithError, decoded, defined, serverName, serverPrefix } from "../base/index.js";
import { type BodyPiece, bytesInOrder, type RequestBody } from "./body.js";
import { ConnectionPools } from "./connection-pools.js";
import { wholeRequests } from "./connector.js";
import { Secrets } from "./secrets.js";

/** Why no HTTP answer came back. Statuses are answers, not faults. */
export type TransportFaultKind = "unreachable" | "reset" | "timeout" | "too-large" | "request-too-large" | "closed";

export class TransportFault extends Error {
  override readonly name = "TransportFault";
  constructor(
    readonly kind: TransportFaultKind,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export interface TransportOptions {
  /** Sockets at most; requests beyond wait inside the pool. Null: as many as there are requests. */
  connections: number | null;
  /** Sent with every request. May hold secrets: never printed. */
  headers?: Record<string, string>;
  /** Answers above this many bytes are cut off and become a "too-large" fault. */
  maxResponseBytes?: number;
  /** Requests above this many bytes are not sent and become a "request-too-large" fault. */
  maxRequestBytes?: number;
  connectTimeoutMs?: number;
}

export interface Reply {
  status: number;
  body: Buffer;
  /** From the Retry-After header, when a proxy sent one. */
  retryAfterMs: number | undefined;
}

export const DEFAULT_MAX_RESPONSE_BYTES = 32 << 20;
export const DEFAULT_MAX_REQUEST_BYTES = 256 << 20;
/** SGLang's HTTP server closes idle sockets after 5 s; ours must be gone before. */
const KEEP_ALIVE_MS = 3000;

export class Transport {
  /** Origin and path prefix, without credentials: safe to print. */
  readonly name: string;
  private readonly pools: ConnectionPools;
  /** Look-ups have sockets of their own, so that they can vouch for those that carry the work. */
  private readonly infoPools: ConnectionPools;
  private readonly prefix: string;
  private readonly headers: Record<string, string>;
  /** Of posts, in the form that undici takes without looking for keys. */
  private readonly postHeaders: readonly string[];
  private readonly maxResponseBytes: number;
  private readonly maxRequestBytes: number;
  private readonly secrets: Secrets;

  constructor(url: string, options: TransportOptions) {
    const parsed = new URL(url);
    this.prefix = serverPrefix(parsed);
    this.name = serverName(url);
    this.headers = { ...options.headers, ...defined({ authorization: basicAuthorization(parsed) }) };
    this.postHeaders = Object.entries({ ...this.headers, "content-type": "application/json" }).flat();
    this.maxResponseBytes = options.maxResponseBytes ?? DEFAULT_MAX_RESPONSE_BYTES;
    this.maxRequestBytes = options.maxRequestBytes ?? DEFAULT_MAX_REQUEST_BYTES;
    const passwords = [parsed.password, decoded(parsed.password)];
    this.secrets = new Secrets([...Object.values(this.headers), ...passwords]);
    const settings: Omit<Pool.Options, "connections"> = {
      pipelining: 1,
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
      connect: wholeRequests(options.connectTimeoutMs ?? 10_000),
    };
    this.pools = new ConnectionPools(parsed.origin, settings, options.connections);
    this.infoPools = new ConnectionPools(parsed.origin, settings, 1);
  }

  /**
   * Connections opened for posts so far. While it does not grow, answers come from the same process as before;
   * once it has grown, another process may have taken the address.
   */
  get connectionsOpened(): number {
    return this.pools.connectionsOpened;
  }

  get(path: string, timeoutMs: number): Promise<Reply> {
    return this.send(this.infoPools, { method: "GET", path: this.prefix + path, headers: this.headers }, timeoutMs);
  }

  post(path: string, { pieces, bytes }: RequestBody, timeoutMs: number): Promise<Reply> {
    if (bytes > this.maxRequestBytes) {
      const words = `a request of ${bytes} bytes; at most ${this.maxRequestBytes} are sent`;
      return Promise.reject(new TransportFault("request-too-large", words));
    }
    // undici sends any iterable, with the length that the header says; its types name only some kinds.
    const body = sendable(pieces) as Buffer;
    const headers = [...this.postHeaders, "content-length", `${bytes}`];
    return this.send(this.pools, { method: "POST", path: this.prefix + path, headers, body }, timeoutMs);
  }

  /** Ends at once; requests under way fail with "closed". */
  async close(): Promise<void> {
    const reason = this.closedFault();
    await Promise.all([this.pools.close(reason), this.infoPools.close(reason)]);
  }

  private closedFault(): TransportFault {
    return new TransportFault("closed", `${this.name}: closed by the client`);
  }

  private send(pools: ConnectionPools, request: Dispatcher.DispatchOptions, timeoutMs: number): Promise<Reply> {
    const shared = pools.free();
    if (shared === undefined) return Promise.reject(this.closedFault());
    return new Promise((resolve, reject) => {
      // Before anything can quote it. Redirects are not followed: they would carry the key elsewhere.
      const settle = (reply: Reply): void => resolve({ ...reply, body: this.secrets.hideIn(reply.body) });
      const left = (): void => {
        shared.inFlight -= 1;
      };
      shared.inFlight += 1;
      shared.pool.dispatch(
        request,
        new Collector(this.name, timeoutMs, this.maxResponseBytes, { settle, reject, left }),
      );
    });
  }
}

/** Bytes that are there are handed over without a turn of the queue for each piece. */
function sendable(pieces: readonly BodyPiece[]): Buffer | Iterable<BodyPiece> | AsyncIterable<Buffer> {
  if (!pieces.every((piece) => Buffer.isBuffer(piece))) return bytesInOrder(pieces);
  return pieces.length === 1 ? pieces[0]! : pieces;
}

interface Ends {
  settle(reply: Reply): void;
  reject(fault: Error): void;
  /** Called once per request, when it no longer occupies a connection. */
  left(): void;
}

/** Collects one response; the first of response, fault and time limit settles the promise. */
class Collector implements Dispatcher.DispatchHandler {
  private readonly chunks: Buffer[] = [];
  private bytes = 0;
  private status = 0;
  private retryAfterMs: number | undefined;
  private controller: Dispatcher.DispatchController | undefined;
  private fault: Error | undefined;
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly server: string,
    timeoutMs: number,
    private readonly maxBytes: number,
    private readonly ends: Ends,
  ) {
    this.timer = setTimeout(
      () => this.fail(new TransportFault("timeout", `${server}: no complete answer within ${timeoutMs / 1000} s`)),
      timeoutMs,
    );
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    // The time limit may have passed while the request waited for a socket.
    if (this.fault !== undefined) controller.abort(this.fault);
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: Record<string, unknown>): void {
    // 1xx answers come before the real one.
    if (status < 200) return;
    this.status = status;
    this.retryAfterMs = parseRetryAfter(headers["retry-after"]);
    if (Number(headers["content-length"] ?? 0) > this.maxBytes) this.fail(this.tooLarge());
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.bytes += chunk.length;
    if (this.bytes > this.maxBytes) this.fail(this.tooLarge());
    else this.chunks.push(chunk);
  }

  onResponseEnd(): void {
    this.ends.left();
    clearTimeout(this.timer);
    if (this.fault !== undefined) return;
    const body = this.chunks.length === 1 ? this.chunks[0]! : Buffer.concat(this.chunks, this.bytes);
    this.ends.settle({ status: this.status, body, retryAfterMs: this.retryAfterMs });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.ends.left();
    this.fail(asFault(this.server, error));
  }

  private tooLarge(): TransportFault {
    return new TransportFault("too-large", `${this.server}: the answer is larger than ${this.maxBytes} bytes`);
  }

  private fail(fault: Error): void {
    clearTimeout(this.timer);
    if (this.fault !== undefined) return;
    this.fault = fault;
    this.chunks.length = 0;
    this.ends.reject(fault);
    this.controller?.abort(fault);
  }
}

/** Error codes from before a connection is established: the server is away, not just failing. */
const UNREACHABLE = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EHOSTDOWN",
  "ETIMEDOUT",
  "UND_ERR_CONNECT_TIMEOUT",
]);

function asFault(server: string, error: Error): Error {
  // A picture that could not be read while it was sent is no fault of the server.
  if (error instanceof TransportFault || error instanceof DraftsmithError) return error;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  const kind: TransportFaultKind = UNREACHABLE.has(code)
    ? "unreachable"
    : code === "UND_ERR_DESTROYED" || code === "UND_ERR_CLOSED"
      ? "closed"
      : "reset";
  const detail = [code, error.message].filter((part) => part !== "").join(" ");
  return new TransportFault(kind, `${server}: ${detail}`, { cause: error });
}

/** Seconds only: the date form depends on the server's clock. */
function parseRetryAfter(value: unknown): number | undefined {
  const seconds = typeof value === "string" && /^\d{1,4}$/.test(value) ? Number(value) : undefined;
  return seconds === undefined ? undefined : seconds * 1000;
}
