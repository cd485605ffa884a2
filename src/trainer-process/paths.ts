/** Where the trainer's Python package lies, and where its environment is kept: outside the tree, unless told. */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { DraftsmithError } from "../base/index.js";

/** The package's root: found upwards, since this file runs from src/ in development and from dist/ when built. */
export function packageRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, "package.json"))) {
    const parent = dirname(directory);
    if (parent === directory) throw new Error("package.json was not found above the toolkit's own files");
    directory = parent;
  }
  return directory;
}

/** The directory that goes onto PYTHONPATH. */
export function trainerRoot(): string {
  return join(packageRoot(), "src", "trainer");
}

export function requirementsFile(): string {
  return join(trainerRoot(), "requirements.txt");
}

/** Root of everything that is kept between runs and can be deleted at will. */
export function cacheRoot(environment: NodeJS.ProcessEnv = process.env): string {
  const own = environment.DRAFTSMITH_CACHE;
  if (own !== undefined && own !== "") return resolve(own);
  const xdg = environment.XDG_CACHE_HOME;
  if (xdg !== undefined && xdg !== "") return join(resolve(xdg), "draftsmith");
  const home = environment.HOME ?? homedir();
  if (home === "") {
    throw new DraftsmithError("USAGE", "no home directory is known, so there is no place for the Python environment", {
      hint: "set DRAFTSMITH_CACHE to a directory with 8 GB of free space",
    });
  }
  return join(home, ".cache", "draftsmith");
}
