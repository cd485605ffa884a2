/** Nothing stays in the temporary directory, whatever becomes of a run. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { scratchDirectory } from "./scratch.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

interface Started {
  child: ChildProcess;
  /** All that it has printed so far. */
  text(): string;
}

function start(args: readonly string[], temporary: string): Started {
  const { VITEST: _, VITEST_WORKER_ID: __, VITEST_POOL_ID: ___, ...env } = process.env;
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: { ...env, TMPDIR: temporary },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (data: Buffer) => {
      text += data.toString();
    });
  return { child, text: () => text };
}

function suite(name: string, temporary: string): Started {
  const config = "test/scratch/fixtures/vitest.config.ts";
  return start(["node_modules/vitest/vitest.mjs", "run", "--config", config, name], temporary);
}

async function printed({ child, text }: Started, part: string): Promise<void> {
  while (!text().includes(part)) await Promise.race([once(child.stdout!, "data"), once(child, "close")]);
}

describe("a run of the tests", () => {
  it.each([
    ["passes", 0, ""],
    ["fails", 1, "expected 1 to be 2"],
    ["leaves", 1, "the tests left 2 files or directories in TMPDIR: forgotten-"],
  ])("that %s ends with exit code %d and an empty temporary directory", async (name, code, words) => {
    const temporary = scratchDirectory("outer");
    const run = suite(name, temporary);
    expect(await once(run.child, "close")).toEqual([code, null]);
    expect(run.text()).toContain(words);
    expect(readdirSync(temporary)).toEqual([]);
  });

  it("that is interrupted leaves nothing either", async () => {
    const temporary = scratchDirectory("outer");
    const run = suite("hangs", temporary);
    await printed(run, "HANGING");
    run.child.kill("SIGTERM");
    await once(run.child, "close");
    expect(readdirSync(temporary)).toEqual([]);
  });
});

describe("a benchmark", () => {
  it.each(["SIGINT", "SIGTERM"] as const)("removes its directory on %s", async (signal) => {
    const temporary = scratchDirectory("outer");
    const run = start(["--import", "tsx", "test/scratch/fixtures/killed.ts"], temporary);
    await printed(run, "draftsmith-bench-");
    expect(existsSync(run.text().trim())).toBe(true);
    run.child.kill(signal);
    await once(run.child, "close");
    expect(existsSync(run.text().trim())).toBe(false);
  });
});

it("no test makes temporary directories in another way", () => {
  const files = readdirSync(join(ROOT, "test"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.startsWith("scratch/"))
    .filter((file) => readFileSync(join(ROOT, "test", file), "utf8").includes("tmpdir("));
  expect(files).toEqual([]);
});
