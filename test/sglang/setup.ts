/**
 * Before any test of the suite: makes SGLang's environment, at once when it is there, and starts the one server without a
 * draft that all files share, since starting takes longer than most of their tests.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { TestProject } from "vitest/node";
import { removeScratch } from "../scratch/scratch.js";
import { sglangScript } from "./python.js";
import { startRealServer } from "./real-server.js";
import { MODEL } from "./target.js";

declare module "vitest" {
  export interface ProvidedContext {
    /** Address of the real SGLang with the embedded target and no draft. */
    plainServer: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await makeEnvironment();
  const server = await startRealServer({ model: MODEL });
  project.provide("plainServer", server.url);
  return async () => {
    await server.stop();
    removeScratch();
  };
}

async function makeEnvironment(): Promise<void> {
  const { python, path } = await sglangScript("build.py");
  const child = spawn(python, [path], { stdio: ["ignore", "ignore", "inherit"] });
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error("SGLang's environment could not be made; the reason stands above");
}
