/** Polls a server's health, with patience for one that is just starting. */
import { setTimeout as sleep } from "node:timers/promises";
import { accessHint, apiKeyHeaders, DraftsmithError, fetchable, isAccessDenied, serverName } from "../../base/index.js";

const TRY_MS = 10_000;
const PAUSE_MS = 1000;

export interface HealthRequest {
  url: string;
  /** Environment variable that holds the server's API key. */
  apiKeyEnv?: string | undefined;
  signal: AbortSignal;
  /** How often to ask before giving up. */
  attempts?: number;
}

/**
 * @throws DraftsmithError SERVER_UNREACHABLE - /health gives no 200 after all attempts.
 * @throws DraftsmithError SERVER_REFUSED - it wants another API key. @throws DraftsmithError OPTIONS_INVALID - the key's
 * variable is not set. @throws DraftsmithError INTERRUPTED - on abort.
 */
export async function waitUntilHealthy({ url, apiKeyEnv, signal, attempts = 3 }: HealthRequest): Promise<void> {
  let reason = "";
  const { address, headers } = fetchable(url, "/health", apiKeyHeaders(apiKeyEnv));
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    try {
      const response = await fetch(address, {
        headers,
        signal: AbortSignal.any([signal, AbortSignal.timeout(TRY_MS)]),
      });
      await response.arrayBuffer();
      if (response.ok) return;
      reason = `/health answers ${response.status}`;
      if (isAccessDenied(response.status)) {
        throw new DraftsmithError("SERVER_REFUSED", `${serverName(url)}: ${reason}`, { hint: accessHint(apiKeyEnv) });
      }
    } catch (error) {
      if (error instanceof DraftsmithError) throw error;
      if (signal.aborted) throw new DraftsmithError("INTERRUPTED", `stopped while waiting for ${url}`);
      reason = reasonOf(error);
    }
    if (attempt < attempts) await sleep(PAUSE_MS, undefined, { signal }).catch(() => undefined);
  }
  throw new DraftsmithError("SERVER_UNREACHABLE", `${url} is not ready: ${reason}`, {
    hint: "start the server, or correct the URL in the pipeline file",
  });
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (cause instanceof Error && cause.message !== "") return cause.message;
  if (cause instanceof Error && "code" in cause) return String(cause.code);
  return error.name === "TimeoutError" ? `no answer within ${TRY_MS / 1000} s` : error.message;
}
