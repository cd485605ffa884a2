/** Polls a server's health, with patience for one that is just starting. */
import { setTimeout as sleep } from "node:timers/promises";
import { DraftsmithError, serverPath, withoutCredentials } from "../../base/index.js";

const TRY_MS = 10_000;
const PAUSE_MS = 1000;

export interface HealthRequest {
  url: string;
  signal: AbortSignal;
  /** How often to ask before giving up. */
  attempts?: number;
}

/** @throws DraftsmithError SERVER_UNREACHABLE when /health gives no 200 after all attempts; INTERRUPTED on abort. */
export async function waitUntilHealthy({ url, signal, attempts = 3 }: HealthRequest): Promise<void> {
  let reason = "";
  const { address, headers } = askable(serverPath(url, "/health"));
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    try {
      const response = await fetch(address, {
        headers,
        signal: AbortSignal.any([signal, AbortSignal.timeout(TRY_MS)]),
      });
      await response.arrayBuffer();
      if (response.ok) return;
      reason = `/health answers ${response.status}`;
    } catch (error) {
      if (signal.aborted) throw new DraftsmithError("INTERRUPTED", `stopped while waiting for ${url}`);
      reason = reasonOf(error);
    }
    if (attempt < attempts) await sleep(PAUSE_MS, undefined, { signal }).catch(() => undefined);
  }
  throw new DraftsmithError("SERVER_UNREACHABLE", `${url} is not ready: ${reason}`, {
    hint: "start the server, or correct the URL in the pipeline file",
  });
}

/** fetch refuses addresses with credentials, and quotes them. */
function askable(url: URL): { address: URL; headers: Record<string, string> } {
  if (url.username === "" && url.password === "") return { address: url, headers: {} };
  const pair = `${decoded(url.username)}:${decoded(url.password)}`;
  const address = new URL(withoutCredentials(url.href));
  return { address, headers: { authorization: `Basic ${Buffer.from(pair).toString("base64")}` } };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (cause instanceof Error && cause.message !== "") return cause.message;
  if (cause instanceof Error && "code" in cause) return String(cause.code);
  return error.name === "TimeoutError" ? `no answer within ${TRY_MS / 1000} s` : error.message;
}
