/**
 * Temporary directories for tests and benchmarks. Whoever asks for one need not remove it: the test file does when it
 * ends (`setup.ts`), passed or failed, and the process does when it exits, also on a signal.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const made = new Set<string>();

/** A new empty directory; `name` is for whoever looks at the disk while the test runs. */
export function scratchDirectory(name: string): string {
  if (made.size === 0) removeOnExit();
  const directory = mkdtempSync(join(tmpdir(), `draftsmith-${name}-`));
  made.add(directory);
  return directory;
}

/** Removes every directory that this process made. */
export function removeScratch(): void {
  for (const directory of made) rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
  made.clear();
}

let isListening = false;

function removeOnExit(): void {
  if (isListening) return;
  isListening = true;
  process.on("exit", removeScratch);
  // A signal ends Node without "exit". In a test worker, vitest handles signals itself.
  if (process.env.VITEST !== undefined) return;
  for (const [signal, number] of [
    ["SIGINT", 2],
    ["SIGTERM", 15],
  ] as const)
    process.once(signal, () => process.exit(128 + number));
}
