/** The directory that a pipeline works in: its layout, and the clean-up before a run. */
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isSealed, publishDirectory } from "../artifacts/index.js";

/** Enough of a digest to tell the settings of one step apart in a file name. */
const PREFIX = 12;

export const workspacePaths = {
  steps: (workspace: string) => join(workspace, "steps"),
  work: (workspace: string) => join(workspace, "work"),
  resume: (workspace: string) => join(workspace, "resume"),
  failed: (workspace: string) => join(workspace, "failed"),
  history: (workspace: string) => join(workspace, "history"),
  lock: (workspace: string) => join(workspace, "lock"),
  hashes: (workspace: string) => join(workspace, "hashes.json"),
};

/** Directory of a step's sealed output. */
export function stepDirectory(workspace: string, step: string): string {
  return join(workspacePaths.steps(workspace), step);
}

/** Where a step writes before it is sealed. The step's name comes last: it may contain any of our separators. */
export function workDirectory(workspace: string, step: string): string {
  return join(workspacePaths.work(workspace), `new-${step}`);
}

/** Where the old output of a step waits while the new one takes its place. */
export function asideDirectory(workspace: string, step: string): string {
  return join(workspacePaths.work(workspace), `old-${step}`);
}

/** What a failed step had written, such as reports and rejected rows, kept for inspection until the next failure. */
export function failedDirectory(workspace: string, step: string): string {
  return join(workspacePaths.failed(workspace), step);
}

export function resumeDirectory(workspace: string, step: string, fingerprint: string): string {
  return join(workspacePaths.resume(workspace), `${step}-${fingerprint.slice(0, PREFIX)}`);
}

/** Removes a finished step's journals, those of other settings included. */
export async function clearResume(workspace: string, step: string): Promise<void> {
  const directory = workspacePaths.resume(workspace);
  for (const entry of await readdir(directory).catch(() => [])) {
    const suffix = entry.slice(step.length);
    if (entry.startsWith(step) && /^-[0-9a-f]{12}$/.test(suffix)) await rm(join(directory, entry), { recursive: true });
  }
}

/**
 * Creates the directories and removes what a crash left in work/. An output that was sealed but not yet moved into
 * place is moved there, so that no finished step is lost. Only for the holder of the lock.
 */
export async function prepareWorkspace(workspace: string): Promise<void> {
  const { work, steps, resume, history } = workspacePaths;
  for (const directory of [work, steps, resume, history]) await mkdir(directory(workspace), { recursive: true });
  for (const entry of await readdir(work(workspace))) {
    const step = entry.startsWith("new-") ? entry.slice(4) : undefined;
    const directory = join(work(workspace), entry);
    if (step !== undefined && (await isSealed(directory))) {
      await publishDirectory(directory, stepDirectory(workspace, step), asideDirectory(workspace, step));
    }
  }
  for (const entry of await readdir(work(workspace))) {
    const step = entry.startsWith("old-") ? entry.slice(4) : undefined;
    const directory = join(work(workspace), entry);
    if (step !== undefined && (await isSealed(directory)) && !(await isSealed(stepDirectory(workspace, step)))) {
      // Our own order of renames cannot cause this; somebody may have removed files by hand.
      await publishDirectory(directory, stepDirectory(workspace, step), `${directory}.aside`);
    } else await rm(directory, { recursive: true, force: true });
  }
}
