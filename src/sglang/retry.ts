/** Backoff between attempts. */

export interface BackoffOptions {
  firstMs: number;
  factor: number;
  maxMs: number;
}

export const DEFAULT_BACKOFF: BackoffOptions = { firstMs: 500, factor: 2, maxMs: 30_000 };

/** Upper bound for a Retry-After header. */
const MAX_RETRY_AFTER_MS = 120_000;

/**
 * Exponential backoff with half of it random, so that requests refused together do not come back together.
 *
 * @param attempt - 1 after the first failure
 * @param retryAfterMs - what a proxy asked for; waited at least
 */
export function backoffMs(
  attempt: number,
  retryAfterMs: number | undefined,
  options: BackoffOptions = DEFAULT_BACKOFF,
  random: () => number = Math.random,
): number {
  const ceiling = Math.min(options.maxMs, options.firstMs * options.factor ** (attempt - 1));
  const wait = ceiling / 2 + (ceiling / 2) * random();
  return Math.max(wait, Math.min(retryAfterMs ?? 0, MAX_RETRY_AFTER_MS));
}

/** Waits, ends early when the signal aborts, and never rejects. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) {
      resolve();
      return;
    }
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
  });
}
