import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listFiles } from "../../../src/artifacts/index.js";
import { hashesOf, makeWorld, runStage, type World } from "./world.js";

const OPTIONS = { rowsPerShard: 40, imagesPerShard: 20 };
let world: World;
let expected: Record<string, string>;
beforeAll(async () => {
  world = await makeWorld({ dialogues: 240, images: 200, tokens: 3000, imageBytes: 50_000, rowsPerFile: 300 });
  expected = await hashesOf((await runStage(world, OPTIONS)).workDir);
});
afterAll(() => rm(world.top, { recursive: true, force: true }));

async function start(resumeDir: string, limitKib?: number): Promise<ChildProcess> {
  const workDir = await mkdtemp(join(world.top, "work-"));
  const job = JSON.stringify({ world, options: OPTIONS, workDir, resumeDir });
  const command = [process.execPath, "--import", "tsx", join(import.meta.dirname, "child.ts"), job];
  if (limitKib === undefined) return spawn(command[0]!, command.slice(1), { stdio: ["ignore", "ignore", "pipe"] });
  // ulimit -f counts blocks of 512 bytes in a POSIX shell; a larger write fails with EFBIG.
  const script = `ulimit -f ${limitKib * 2}; exec "$@"`;
  return spawn("sh", ["-c", script, "sh", ...command], { stdio: ["ignore", "ignore", "pipe"] });
}

async function finishedShards(resumeDir: string): Promise<string[]> {
  // While a shard is committed, its partial name may go between the look at the folder and the look at the file.
  const names = await listFiles(join(resumeDir, "shards")).catch(() => []);
  return names.filter((name) => name.endsWith(".arrow"));
}

describe("sharding", () => {
  it("killed with -9 again and again ends in the same bytes", async () => {
    const resumeDir = await mkdtemp(join(world.top, "resume-"));
    let before = 0;
    let kills = 0;
    while (kills < 2) {
      const child = await start(resumeDir);
      const gone = once(child, "exit");
      // Kill in the midst of a shard: soon after the next one is finished.
      while ((await finishedShards(resumeDir)).length < before + 3 && child.exitCode === null) await setTimeout(2);
      child.kill("SIGKILL");
      await gone;
      const finished = await finishedShards(resumeDir);
      expect(finished.length).toBeGreaterThanOrEqual(before + 3);
      expect(finished.length).toBeLessThan(Object.keys(expected).length);
      // What is finished is right.
      const hashes = await hashesOf(join(resumeDir, "shards"));
      for (const name of finished) expect(hashes[name]).toBe(expected[name]);
      before = finished.length;
      kills += 1;
    }
    const { workDir } = await runStage(world, OPTIONS, { resumeDir });
    expect(await hashesOf(workDir)).toEqual(expected);
  }, 60_000);

  it.runIf(process.platform === "linux")(
    "on a full disk ends with DISK_FULL, exit code 13, and loses nothing finished",
    async () => {
      const resumeDir = await mkdtemp(join(world.top, "resume-"));
      // Files of rows have 0.7 MB and fit; files of images have 1 MB and do not.
      const failing = await start(resumeDir, 850);
      const text = readAll(failing);
      const [code] = (await once(failing, "exit")) as [number];
      expect(await text).toMatch(/error DISK_FULL: no space left while writing .*images-00000/);
      expect(code).toBe(13);
      const shards = join(resumeDir, "shards");
      const names = Object.keys(expected).filter((name) => name.startsWith("rows/"));
      // Nothing unfinished takes up room.
      expect(await listFiles(shards)).toEqual(names);
      const written = await Promise.all(names.map(async (name) => (await stat(join(shards, name))).mtimeMs));

      const { workDir } = await runStage(world, OPTIONS, { resumeDir });
      expect(await hashesOf(workDir)).toEqual(expected);
      const now = await Promise.all(names.map(async (name) => (await stat(join(shards, name))).mtimeMs));
      expect(now).toEqual(written);
    },
    60_000,
  );
});

async function readAll(child: ChildProcess): Promise<string> {
  let text = "";
  for await (const piece of child.stderr!) text += String(piece);
  return text;
}
