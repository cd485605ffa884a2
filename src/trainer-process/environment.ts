/**
 * The trainer's Python environment: an interpreter the user names, or one the toolkit makes from the pinned
 * requirements, once, outside the tree.
 */
import { constants, existsSync } from "node:fs";
import { access, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DraftsmithError, fromErrno, makeDirectory, sha256 } from "../base/index.js";
import type { EventSink } from "../events/index.js";
import { runLogged } from "./child.js";
import { withLock } from "./lock.js";
import { cacheRoot, requirementsFile } from "./paths.js";
import {
  findSystemPython,
  isNewEnough,
  MIN_PYTHON,
  missingPackages,
  type NEEDED_PACKAGES,
  type PythonProbe,
  probePython,
  tooOld,
  transformersAge,
} from "./probe.js";

/** Written last, so that a half-made environment is never taken for a finished one. */
const STAMP = ".draftsmith-complete";

export interface PythonChoice {
  /** Absolute path of the interpreter. */
  executable: string;
  /** Where the choice came from. */
  origin: "named" | "managed";
}

export interface EnvironmentRequest {
  /** `--python`; wins over the environment variable. */
  python?: string | undefined;
  environment?: NodeJS.ProcessEnv;
  events?: EventSink;
  signal?: AbortSignal;
}

/** The interpreter named by the user, if any: `--python`, else DRAFTSMITH_PYTHON. */
export function namedPython(request: EnvironmentRequest = {}): string | undefined {
  const variable = (request.environment ?? process.env).DRAFTSMITH_PYTHON;
  return request.python ?? (variable === "" ? undefined : variable);
}

/** An environment that the toolkit makes from pinned requirements. */
export interface ManagedEnvironment {
  /** Start of its directory's name in the cache. */
  name: string;
  /** Path of the file of pinned requirements. */
  requirements: string;
  /** For people, with its size. */
  about: string;
}

function trainersOwn(): ManagedEnvironment {
  const about = "the trainer's Python environment (about 6 GB, some minutes)";
  return { name: "python", requirements: requirementsFile(), about };
}

/** Directory of the trainer's managed environment for the current pins and this base interpreter. */
export function managedDirectory(base: PythonProbe, environment?: NodeJS.ProcessEnv): Promise<string> {
  return directoryOf(trainersOwn(), base, environment);
}

async function directoryOf(
  { name, requirements }: ManagedEnvironment,
  base: PythonProbe,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const pins = await readFile(requirements, "utf8");
  const [major, minor] = base.version;
  return join(cacheRoot(environment), `${name}-${major}.${minor}-${sha256(pins).slice(0, 12)}`);
}

/** The interpreter if everything is in place, null if the managed environment would have to be made first. */
export async function existingPython(request: EnvironmentRequest = {}): Promise<PythonChoice | null> {
  const named = namedPython(request);
  if (named !== undefined) return { executable: await checkNamed(named), origin: "named" };
  const executable = await existingEnvironment(trainersOwn(), request);
  return executable === null ? null : { executable, origin: "managed" };
}

/** The interpreter of a managed environment, null if it would have to be made first. */
export async function existingEnvironment(
  managed: ManagedEnvironment,
  request: EnvironmentRequest = {},
): Promise<string | null> {
  const base = await findSystemPython();
  if (base === null) return null;
  const directory = await directoryOf(managed, base, request.environment);
  return existsSync(join(directory, STAMP)) ? interpreterIn(directory) : null;
}

/** The interpreter that trainer jobs run with; makes the managed environment when it does not exist yet. */
export async function ensurePython(request: EnvironmentRequest = {}): Promise<PythonChoice> {
  const existing = await existingPython(request);
  if (existing !== null) return existing;
  return { executable: await ensureEnvironment(trainersOwn(), request), origin: "managed" };
}

/**
 * The interpreter of a managed environment, which is made first when it does not exist yet.
 * @throws DraftsmithError PYTHON_MISSING, OUTPUT_INVALID, DISK_FULL
 */
export async function ensureEnvironment(
  managed: ManagedEnvironment,
  request: EnvironmentRequest = {},
): Promise<string> {
  const existing = await existingEnvironment(managed, request);
  if (existing !== null) return existing;
  const base = await findSystemPython();
  if (base === null) {
    throw new DraftsmithError("PYTHON_MISSING", `no Python >= ${MIN_PYTHON.join(".")} was found on the PATH`, {
      hint: "install python3 and python3-venv, or name an interpreter with --python or DRAFTSMITH_PYTHON",
    });
  }
  if (!base.venv) {
    throw new DraftsmithError(
      "PYTHON_MISSING",
      `${base.executable} has no venv module, so no environment can be made`,
      {
        hint: "install python3-venv, or name an interpreter that has torch with --python or DRAFTSMITH_PYTHON",
      },
    );
  }
  const directory = await directoryOf(managed, base, request.environment);
  const cache = cacheRoot(request.environment);
  try {
    await makeDirectory(cache);
    await access(cache, constants.W_OK);
  } catch (error) {
    throw fromErrno(error, cache, { use: "write", field: "DRAFTSMITH_CACHE" });
  }
  await withLock(`${directory}.lock`, async () => {
    if (!existsSync(join(directory, STAMP))) await build(managed, base, directory, request);
  });
  return interpreterIn(directory);
}

/** The versions of some of its packages in the trainer's environment; those that it lacks are left out. */
export async function trainerPackages(
  names: readonly (typeof NEEDED_PACKAGES)[number][],
  request: EnvironmentRequest = {},
): Promise<Record<string, string>> {
  const { executable } = await ensurePython(request);
  const probe = await probePython(executable);
  const found = names.map((name) => [name, probe?.packages[name]] as const);
  return Object.fromEntries(
    found.filter((entry): entry is [(typeof names)[number], string] => typeof entry[1] === "string"),
  );
}

function interpreterIn(directory: string): string {
  return join(directory, "bin", "python");
}

async function checkNamed(command: string): Promise<string> {
  const probe = await probePython(command);
  if (probe === null) {
    throw new DraftsmithError("PYTHON_MISSING", `${command} is not a Python interpreter that runs`, {
      hint: "check --python and DRAFTSMITH_PYTHON; without them the toolkit makes its own environment",
    });
  }
  if (!isNewEnough(probe)) {
    throw new DraftsmithError(
      "PYTHON_MISSING",
      `${command} is Python ${probe.version.join(".")}, but ${MIN_PYTHON.join(".")} or newer is needed`,
    );
  }
  const missing = missingPackages(probe);
  if (missing.length > 0) {
    throw new DraftsmithError("PYTHON_MISSING", `${command} lacks ${missing.join(", ")}`, {
      hint: `install them with: ${command} -m pip install -r ${requirementsFile()} ; or unset DRAFTSMITH_PYTHON and let the toolkit make its own environment`,
    });
  }
  if (transformersAge(probe) === "too old") {
    const { message, hint } = tooOld(probe);
    throw new DraftsmithError("PYTHON_MISSING", message, { hint });
  }
  return probe.executable;
}

async function build(
  { requirements, about }: ManagedEnvironment,
  base: PythonProbe,
  directory: string,
  request: EnvironmentRequest,
): Promise<void> {
  const say = (message: string): void => request.events?.emit({ type: "log", level: "info", message });
  const started = Date.now();
  say(`making ${about} in ${directory}`);
  await rm(directory, { recursive: true, force: true });
  const log = `${directory}.log`;
  const signal = request.signal;
  await runLogged(base.executable, ["-m", "venv", directory], { log, signal });
  const pip = ["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "-r", requirements];
  await runLogged(interpreterIn(directory), pip, { log, signal });
  await writeFile(join(directory, STAMP), `${base.version.join(".")}\n`);
  say(`it is ready after ${Math.round((Date.now() - started) / 1000)} s`);
}
