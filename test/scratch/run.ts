/**
 * Gives the whole run a temporary directory of its own (TMPDIR, which child processes inherit), so that what is left at
 * the end can only be this run's doing, however many runs share the machine. Anything left fails the run.
 */
import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";

/** Caches that tools keep below TMPDIR by design: tsx, Node's compile cache, Triton and torch.compile. */
const TOOL_CACHES = /^(tsx-\d+|node-compile-cache|torchinductor_.*|triton.*)$/;

export default function openRun(project: TestProject): () => void {
  const before = process.env.TMPDIR;
  const directory = mkdtempSync(join(tmpdir(), "draftsmith-run-"));
  // Tests of permissions run children as another user, who must get through to directories of their own.
  chmodSync(directory, 0o711);
  const remove = (): void => rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
  process.env.TMPDIR = directory;
  const interrupted = (): void => {
    remove();
    // Vitest's own, which it only removes at the end of a whole run.
    rmSync(project.tmpDir, { recursive: true, force: true });
  };
  process.once("exit", interrupted);
  return () => {
    const left = readdirSync(directory).filter((name) => !TOOL_CACHES.test(name));
    remove();
    process.off("exit", interrupted);
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
    if (left.length === 0) return;
    process.stderr.write(
      `error: the tests left ${left.length} files or directories in TMPDIR: ${left.slice(0, 10).join(", ")}\n` +
        "  hint: make temporary directories with scratchDirectory() of test/scratch/scratch.ts\n",
    );
    process.exitCode = 1;
  };
}
