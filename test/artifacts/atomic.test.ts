import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { linkOrCopy, writeFileAtomic } from "../../src/artifacts/index.js";
import { scratchDirectory } from "../scratch/scratch.js";

let directory: string;
beforeAll(async () => {
  directory = scratchDirectory("atomic");
});

it("replaces a file as a whole and leaves nothing beside it", async () => {
  const path = join(directory, "a.txt");
  await writeFileAtomic(path, "old");
  const { ino } = await stat(path);
  await writeFile(`${path}.partial`, "of a killed run, and longer than what comes");
  await writeFileAtomic(path, "new");
  expect(await readFile(path, "utf8")).toBe("new");
  // Whoever has the old one open keeps it: the new one is another file.
  expect((await stat(path)).ino).not.toBe(ino);
  expect(await readdir(directory)).toEqual(["a.txt"]);
});

it("leaves the old file when it cannot write the new one", async () => {
  const path = join(directory, "in", "b.txt");
  await expect(writeFileAtomic(path, "x")).rejects.toMatchObject({ code: "OUTPUT_INVALID" });
  await mkdir(join(directory, "in", "b.txt.partial"), { recursive: true });
  await writeFile(path, "old");
  await expect(writeFileAtomic(path, "new")).rejects.toThrow();
  expect(await readFile(path, "utf8")).toBe("old");
});

it("gives a finished file a second name, and accepts that it is there already", async () => {
  const [from, to] = [join(directory, "c.txt"), join(directory, "d.txt")];
  await writeFile(from, "c");
  await linkOrCopy(from, to);
  await linkOrCopy(from, to);
  expect(await readFile(to, "utf8")).toBe("c");
  await expect(linkOrCopy(join(directory, "none"), join(directory, "e"))).rejects.toMatchObject({
    code: "INPUT_MISSING",
    location: { file: join(directory, "none") },
  });
  await expect(linkOrCopy(from, join(directory, "no", "such", "place"))).rejects.toMatchObject({
    code: "OUTPUT_INVALID",
  });
});
