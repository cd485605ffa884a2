/** The interpreter that makes SGLang's environment and starts its server, and where those two scripts lie. */
import { join } from "node:path";
import { packageRoot } from "../../src/trainer-process/paths.js";
import { findSystemPython } from "../../src/trainer-process/probe.js";

export interface Script {
  python: string;
  path: string;
}

export async function sglangScript(name: "build.py" | "launch.py"): Promise<Script> {
  const found = await findSystemPython();
  if (found === null) throw new Error("no Python >= 3.11 was found on the PATH");
  return { python: found.executable, path: join(packageRoot(), "src", "trainer", "sglang_cpu", name) };
}
