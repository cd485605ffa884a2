/** `draftsmith doctor`: what is there, what is missing, and what to do about it. */
import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access, stat, statfs } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { promisify } from "node:util";
import { accessHint, apiKeyHeaders, fetchable, isAccessDenied, serverName, VERSION } from "../base/index.js";
import { trainerEnvironment } from "./child.js";
import { existingPython, managedDirectory, namedPython } from "./environment.js";
import { cacheRoot } from "./paths.js";
import {
  findSystemPython,
  isNewEnough,
  missingPackages,
  NEEDED_PACKAGES,
  probePython,
  TRANSFORMERS,
  tooOld,
  transformersAge,
} from "./probe.js";

const run = promisify(execFile);

export interface DoctorFinding {
  name: string;
  state: "ok" | "missing" | "note";
  detail: string;
  /** What to do when it is missing. */
  advice?: string;
}

export interface DoctorReport {
  /** False when a full pipeline could not run here. */
  healthy: boolean;
  findings: DoctorFinding[];
}

export interface DoctorRequest {
  python?: string | undefined;
  /** Base URLs of servers to look at. */
  servers?: string[];
  /** Environment variable that holds the servers' API key. */
  apiKeyEnv?: string | undefined;
  /** Directory that a run would write to. */
  workspace?: string;
}

/** Room that the Python environment and a quickstart run need, in bytes. */
const ENVIRONMENT_BYTES = 8e9;
const MIN_NODE = [20, 19] as const;

/** @throws DraftsmithError OPTIONS_INVALID - the API key's variable is not set */
export async function runDoctor(request: DoctorRequest = {}): Promise<DoctorReport> {
  const { apiKeyEnv } = request;
  const headers = apiKeyHeaders(apiKeyEnv);
  const findings: DoctorFinding[] = [
    { name: "draftsmith", state: "ok", detail: VERSION },
    nodeFinding(),
    ...(await nativeModules()),
    ...(await pythonFindings(request.python)),
    await gpuFinding(),
    await diskFinding("disk (workspace)", request.workspace ?? process.cwd(), 1e9),
    ...(await Promise.all((request.servers ?? []).map((url) => serverFinding(url, headers, apiKeyEnv)))),
  ];
  return { healthy: findings.every((finding) => finding.state !== "missing"), findings };
}

function nodeFinding(): DoctorFinding {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const good = major > MIN_NODE[0] || (major === MIN_NODE[0] && minor >= MIN_NODE[1]);
  const detail = `${process.versions.node} (${process.platform}-${process.arch})`;
  if (good) return { name: "node", state: "ok", detail };
  return { name: "node", state: "missing", detail, advice: `install Node ${MIN_NODE.join(".")} or newer` };
}

async function nativeModules(): Promise<DoctorFinding[]> {
  const loaders: [string, () => Promise<unknown>][] = [
    ["sharp", () => import("sharp")],
    ["tokenizers", () => import("tokenizers")],
  ];
  return Promise.all(
    loaders.map(async ([name, load]): Promise<DoctorFinding> => {
      try {
        await load();
        return { name, state: "ok", detail: "native module loads" };
      } catch (error) {
        const detail = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
        return {
          name,
          state: "missing",
          detail,
          advice: "install the Node packages on this machine; node_modules of another platform does not work here",
        };
      }
    }),
  );
}

async function pythonFindings(python: string | undefined): Promise<DoctorFinding[]> {
  const named = namedPython({ python });
  if (named !== undefined) return namedFindings(named);
  const base = await findSystemPython();
  if (base === null) {
    const advice =
      "install python3 (3.11 or newer) and python3-venv; only train, evaluate, export and the reference server need it";
    return [{ name: "python", state: "missing", detail: "no Python >= 3.11 on the PATH", advice }];
  }
  const findings: DoctorFinding[] = [
    { name: "python", state: "ok", detail: `${base.version.join(".")} at ${base.executable}` },
  ];
  const managed = await existingPython({});
  if (managed !== null) return [...findings, ...(await packageFindings(managed.executable))];
  const directory = await managedDirectory(base);
  if (!base.venv) {
    findings.push({
      name: "python venv",
      state: "missing",
      detail: "the venv module is absent",
      advice: "install python3-venv",
    });
  }
  findings.push({
    name: "trainer environment",
    state: "note",
    detail: `not made yet; the first step that needs it makes it in ${directory} (about 6 GB, some minutes)`,
  });
  findings.push(await diskFinding("disk (cache)", cacheRoot(), ENVIRONMENT_BYTES));
  return findings;
}

async function namedFindings(named: string): Promise<DoctorFinding[]> {
  const probe = await probePython(named);
  if (probe === null || !isNewEnough(probe)) {
    const detail = probe === null ? `${named} does not run` : `${named} is ${probe.version.join(".")}`;
    return [
      { name: "python", state: "missing", detail, advice: "name Python 3.11 or newer, or unset DRAFTSMITH_PYTHON" },
    ];
  }
  return [
    { name: "python", state: "ok", detail: `${probe.version.join(".")} at ${probe.executable} (named)` },
    ...(await packageFindings(probe.executable)),
  ];
}

async function packageFindings(executable: string): Promise<DoctorFinding[]> {
  const probe = await probePython(executable);
  if (probe === null) return [{ name: "trainer environment", state: "missing", detail: `${executable} does not run` }];
  const missing = missingPackages(probe);
  if (missing.length > 0) {
    const advice = "install src/trainer/requirements.txt into it, or unset DRAFTSMITH_PYTHON";
    return [{ name: "trainer environment", state: "missing", detail: `lacks ${missing.join(", ")}`, advice }];
  }
  const age = transformersAge(probe);
  if (age === "too old") {
    const { message, hint } = tooOld(probe);
    return [{ name: "trainer environment", state: "missing", detail: message, advice: hint }];
  }
  const shown = NEEDED_PACKAGES.slice(0, 3).map((name) => `${name} ${probe.packages[name]}`);
  return [
    { name: "trainer environment", state: "ok", detail: `${shown.join(", ")} at ${executable}` },
    ...(age === "newer than tested" ? [newerFinding(probe.packages.transformers ?? "")] : []),
    await cudaFinding(executable),
  ];
}

function newerFinding(version: string): DoctorFinding {
  const newest = TRANSFORMERS.newest.join(".");
  return {
    name: "transformers",
    state: "note",
    detail: `${version} is newer than ${newest}, the newest release tested`,
  };
}

/** Asks torch itself, since a GPU that the driver sees may still be out of torch's reach. */
async function cudaFinding(executable: string): Promise<DoctorFinding> {
  const script = "import torch; n = torch.cuda.device_count(); print(n, torch.cuda.get_device_name(0) if n else '')";
  try {
    const { stdout } = await run(executable, ["-c", script], { env: trainerEnvironment(), timeout: 180_000 });
    const [count = "0", ...name] = stdout.trim().split(" ");
    const detail =
      count === "0" ? "torch sees no CUDA device: training runs on the CPU" : `${count} x ${name.join(" ")}`;
    return { name: "cuda", state: count === "0" ? "note" : "ok", detail };
  } catch (error) {
    const detail = error instanceof Error ? error.message.split("\n").slice(-2).join(" ") : String(error);
    return {
      name: "cuda",
      state: "missing",
      detail: `torch does not import: ${detail}`,
      advice: "delete the environment; the next step that needs it makes it again",
    };
  }
}

async function gpuFinding(): Promise<DoctorFinding> {
  try {
    const { stdout } = await run("nvidia-smi", ["--query-gpu=name,memory.total", "--format=csv,noheader"], {
      timeout: 20_000,
    });
    return { name: "gpu", state: "ok", detail: stdout.trim().split("\n").join("; ") };
  } catch {
    return {
      name: "gpu",
      state: "note",
      detail: "no NVIDIA driver found; the quickstart and all tests run without a GPU",
    };
  }
}

/** Free space where a directory is, or would be made. */
async function diskFinding(name: string, directory: string, needed: number): Promise<DoctorFinding> {
  const place = await nearestExisting(resolve(directory));
  const advice = "choose another directory";
  try {
    if (!(await stat(place)).isDirectory()) {
      return { name, state: "missing", detail: `${place} is a file, but a directory is needed`, advice };
    }
    await access(place, constants.W_OK | constants.X_OK);
  } catch {
    return { name, state: "missing", detail: `${place} cannot be written: permission denied`, advice };
  }
  const { bavail, bsize } = await statfs(place);
  const free = bavail * bsize;
  const detail = `${(free / 1e9).toFixed(1)} GB free at ${place}`;
  if (free >= needed) return { name, state: "ok", detail };
  return { name, state: "missing", detail, advice: `free at least ${(needed / 1e9).toFixed(0)} GB` };
}

async function nearestExisting(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  return found !== undefined || dirname(path) === path ? path : nearestExisting(dirname(path));
}

async function serverFinding(
  url: string,
  keyHeaders: Record<string, string>,
  apiKeyEnv: string | undefined,
): Promise<DoctorFinding> {
  if (!URL.canParse(url)) {
    const advice = "give an http(s) address such as http://127.0.0.1:30000";
    return { name: "server", state: "missing", detail: "the address is not a URL", advice };
  }
  const name = `server ${serverName(url)}`;
  const { address, headers } = fetchable(url, "/v1/models", keyHeaders);
  try {
    const response = await fetch(address, { headers, signal: AbortSignal.timeout(10_000) });
    const { ok, status } = response;
    await response.body?.cancel();
    if (!ok) {
      const advice = isAccessDenied(status) ? accessHint(apiKeyEnv) : "look at its log";
      return { name, state: "missing", detail: `answers HTTP ${status}`, advice };
    }
    return { name, state: "ok", detail: "answers /v1/models" };
  } catch (error) {
    const cause =
      error instanceof Error ? (error.cause instanceof Error ? error.cause.message : error.message) : String(error);
    return { name, state: "missing", detail: cause, advice: "start the server, or correct the URL" };
  }
}
