/** What a Python interpreter is and which of the trainer's packages it has, without importing them. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { z } from "zod";

const run = promisify(execFile);

/** Packages without which no training job starts. */
export const NEEDED_PACKAGES = [
  "torch",
  "torchvision",
  "transformers",
  "safetensors",
  "pyarrow",
  "numpy",
  "pillow",
  "starlette",
  "uvicorn",
  "pydantic",
] as const;

/** importlib.metadata reads versions from file names: 60 ms instead of the seconds that importing torch takes. */
const PROBE = `
import importlib.metadata as m, importlib.util, json, sys
def version(name):
    try:
        return m.version(name)
    except m.PackageNotFoundError:
        return None
print(json.dumps({
    "executable": sys.executable,
    "version": list(sys.version_info[:3]),
    "venv": importlib.util.find_spec("venv") is not None and importlib.util.find_spec("ensurepip") is not None,
    "packages": {name: version(name) for name in sys.argv[1:]},
}))
`;

const probeSchema = z.object({
  executable: z.string(),
  version: z.tuple([z.number(), z.number(), z.number()]),
  venv: z.boolean(),
  packages: z.record(z.string(), z.string().nullable()),
});
export type PythonProbe = z.infer<typeof probeSchema>;

/** The oldest Python that the trainer runs on. */
export const MIN_PYTHON = [3, 11] as const;

/** transformers releases that the trainer works with (base/versions.py has the same): the oldest and the newest tested. */
export const TRANSFORMERS = { oldest: [5, 7], newest: [5, 24] } as const;

export type TransformersAge = "too old" | "tested" | "newer than tested";

/** Of the environment's transformers; undefined if it has none, or one with an unreadable version. */
export function transformersAge({ packages }: Pick<PythonProbe, "packages">): TransformersAge | undefined {
  const found = /^(\d+)\.(\d+)/
    .exec(packages.transformers ?? "")
    ?.slice(1)
    .map(Number);
  if (found === undefined) return undefined;
  const order = ([major, minor]: readonly number[]): number => major! * 1000 + minor!;
  if (order(found) < order(TRANSFORMERS.oldest)) return "too old";
  return order(found) > order(TRANSFORMERS.newest) ? "newer than tested" : "tested";
}

/** Why an older transformers is refused, and the command that mends it. */
export function tooOld({ executable, packages }: Pick<PythonProbe, "executable" | "packages">) {
  const oldest = TRANSFORMERS.oldest.join(".");
  return {
    message: `${executable} has transformers ${packages.transformers}, but ${oldest} or newer is needed: older releases derive a prompt's positions without mm_token_type_ids`,
    hint: `${executable} -m pip install 'transformers>=${oldest},<6'`,
  };
}

/** Null when there is no such interpreter or it does not answer within 30 s. */
export async function probePython(command: string): Promise<PythonProbe | null> {
  try {
    const { stdout } = await run(command, ["-c", PROBE, ...NEEDED_PACKAGES], { timeout: 30_000 });
    return probeSchema.parse(JSON.parse(stdout));
  } catch {
    return null;
  }
}

export function isNewEnough(probe: PythonProbe): boolean {
  const [major, minor] = probe.version;
  return major > MIN_PYTHON[0] || (major === MIN_PYTHON[0] && minor >= MIN_PYTHON[1]);
}

export function missingPackages(probe: PythonProbe): string[] {
  return NEEDED_PACKAGES.filter((name) => (probe.packages[name] ?? null) === null);
}

/** The first of the usual names that is new enough. */
export async function findSystemPython(): Promise<PythonProbe | null> {
  for (const command of ["python3", "python3.13", "python3.12", "python3.11", "python"]) {
    const probe = await probePython(command);
    if (probe !== null && isNewEnough(probe)) return probe;
  }
  return null;
}
