import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { filesOf, makeWorld, picture, row, runStage, type World, writeRows } from "./world.js";

const PICTURES = 80;
let world: World;
beforeAll(async () => {
  world = await makeWorld();
  for (let k = 0; k < PICTURES; k += 1) await picture(join(world.images, `${k}.png`), k, 320, 240);
  await writeRows(
    world,
    Array.from({ length: PICTURES }, (_, k) => row(`r${k}`, k % 17 === 5 ? "none.png" : `${k}.png`)),
  );
});
afterAll(() => rm(world.top, { recursive: true, force: true }));

/** Lines of the journal so far. */
async function journalled(resumeDir: string): Promise<number> {
  const [journal] = Object.keys(await filesOf(resumeDir).catch(() => ({}))).filter((path) => path.endsWith(".journal"));
  if (journal === undefined) return 0;
  return (await readFile(join(resumeDir, journal), "utf8")).split("\n").length - 1;
}

it("an import killed with -9 ends in the same bytes and decodes no finished picture again", async () => {
  const expected = await runStage(world, {});
  const resumeDir = await mkdtemp(join(world.top, "resume-"));
  let done = 0;
  for (let kill = 0; kill < 2; kill += 1) {
    const workDir = await mkdtemp(join(world.top, "work-"));
    const job = JSON.stringify({ ...world, workDir, resumeDir });
    const child = spawn(process.execPath, ["--import", "tsx", join(import.meta.dirname, "child.ts"), job], {
      stdio: "inherit",
    });
    const gone = once(child, "exit");
    while ((await journalled(resumeDir)) < done + 8 && child.exitCode === null) await setTimeout(2);
    child.kill("SIGKILL");
    await gone;
    done = await journalled(resumeDir);
    expect(done).toBeGreaterThanOrEqual(8 * (kill + 1));
  }
  const finished = await runStage(world, {}, { resumeDir });
  expect(finished.files).toEqual(expected.files);
  expect(finished.counts).toEqual(expected.counts);
  const reused = finished.events.find((event) => event.type === "log");
  expect(Number.parseInt((reused as { message: string }).message, 10)).toBe(done);
}, 60_000);
