/** Paths that options name, looked at before anything runs: are they there, of the right kind, and readable? */
import { constants, type Stats } from "node:fs";
import { access, stat } from "node:fs/promises";
import { defined, type FileProblem, fileError, fromErrno, isDraftsmithError, problemOf } from "../base/index.js";
import type { FileOptions, PathKind } from "../stages/stage.js";
import { optionAt } from "./nested-options.js";
import { listStrings } from "./options.js";

/** A stage or a service. */
export interface PathOwner {
  fileOptions?: FileOptions<Record<string, unknown>>;
  neutralOptions?: readonly string[];
}

/** A string below an option that names files. */
export interface NamedPath {
  /** `source.0`. */
  place: string;
  text: string;
  kind: PathKind;
  /** A neutral option, whose file may still appear or change while a step runs. */
  isNeutral: boolean;
}

export function namedPaths(owner: PathOwner, options: Readonly<Record<string, unknown>>): NamedPath[] {
  return Object.entries(owner.fileOptions ?? {}).flatMap(([name, kind = "any"]) =>
    listStrings(optionAt(options, name), name).map((named) => ({
      ...named,
      kind,
      isNeutral: owner.neutralOptions?.includes(name) === true,
    })),
  );
}

/** What is wrong with a path that is to be read; undefined: nothing. */
export async function pathProblem({ text, kind, isNeutral }: NamedPath): Promise<FileProblem | undefined> {
  try {
    const found = await stat(text);
    const problem = kindProblem(found, text, kind);
    if (problem !== undefined) return problem;
    await access(text, found.isDirectory() ? constants.R_OK | constants.X_OK : constants.R_OK);
    return undefined;
  } catch (error) {
    const coded = fromErrno(error, text, { use: "read" });
    if (!isDraftsmithError(coded)) throw error;
    if (isNeutral && coded.code === "INPUT_MISSING") return undefined;
    return { code: coded.code, message: coded.message, ...defined({ hint: coded.hint }) };
  }
}

/**
 * Checks every path that these options name.
 * @throws DraftsmithError INPUT_MISSING, INPUT_INVALID - located at the option
 */
export async function checkPaths(owner: PathOwner, options: Readonly<Record<string, unknown>>): Promise<void> {
  for (const named of namedPaths(owner, options)) {
    const problem = await pathProblem(named);
    if (problem !== undefined) throw fileError(problem, { field: named.place });
  }
}

function kindProblem(found: Stats, path: string, kind: PathKind): FileProblem | undefined {
  if (found.isDirectory()) return kind === "file" ? problemOf("EISDIR", path, "read") : undefined;
  if (kind === "directory") {
    return { code: "INPUT_INVALID", message: `${path} is a file, but a directory is needed` };
  }
  if (found.isFile()) return undefined;
  return {
    code: "INPUT_INVALID",
    message: `${path} is a pipe, a socket or a device, but a regular file is needed`,
    hint: "it is read more than once: write its content to a file first",
  };
}
