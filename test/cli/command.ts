/** Runs the command line: within this process, which is quick, or as a user does, in a process of its own. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { vi } from "vitest";
import { exitWith } from "../../src/cli/failure.js";
import { runProgram } from "../../src/cli/program.js";

const MAIN = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
const TSX = import.meta.resolve("tsx");

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** The same program without the cost of a process: what it prints is caught, where it runs is set for the call. */
export async function draftsmith(cwd: string, ...args: string[]): Promise<Outcome> {
  const caught = { stdout: "", stderr: "" };
  const before = { directory: process.cwd(), code: process.exitCode };
  const spies = (["stdout", "stderr"] as const).map((name) =>
    vi.spyOn(process[name], "write").mockImplementation((text) => {
      caught[name] += String(text);
      return true;
    }),
  );
  // yargs prints its help through the console.
  const log = vi.spyOn(console, "log").mockImplementation((text: unknown) => {
    caught.stdout += `${String(text)}\n`;
  });
  process.chdir(cwd);
  process.exitCode = 0;
  try {
    await runProgram(args).catch(exitWith);
    return { code: Number(process.exitCode), ...caught };
  } finally {
    process.exitCode = before.code;
    process.chdir(before.directory);
    for (const spy of [...spies, log]) spy.mockRestore();
  }
}

export function draftsmithProcess(
  cwd: string,
  args: readonly string[],
  { main = MAIN, env = process.env } = {},
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["--import", TSX, main, ...args], {
      cwd,
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (data: Buffer) => {
      stdout += data.toString();
    });
    child.stderr.on("data", (data: Buffer) => {
      stderr += data.toString();
    });
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, stdout, stderr }));
  });
}
