import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { sha256 } from "../../src/base/index.js";
import { ImageStore, imagePath, readStoredImage } from "../../src/images/index.js";
import { scratchDirectory } from "../scratch/scratch.js";

let root: string;
beforeAll(async () => {
  root = scratchDirectory("store");
});

const image = (text: string) => ({ png: Buffer.from(text), hash: sha256(text) });

it("keeps an image under its hash, once, also when asked many times at once", async () => {
  const store = new ImageStore(root);
  const one = image("one");
  await Promise.all(Array.from({ length: 20 }, () => store.put(one)));
  const file = join(root, one.hash.slice(0, 2), `${one.hash}.png`);
  expect(store.fileOf(one.hash)).toBe(file);
  expect(await readFile(file, "utf8")).toBe("one");
  const { ino } = await stat(file);
  await store.put(one);
  expect((await stat(file)).ino).toBe(ino);
  expect(await readdir(join(root, one.hash.slice(0, 2)))).toEqual([`${one.hash}.png`]);
});

it("notices a damaged image and replaces it", async () => {
  const store = new ImageStore(root);
  const two = image("two");
  expect(await store.holds(two.hash)).toBe(false);
  await store.put(two);
  expect(await store.holds(two.hash)).toBe(true);
  await writeFile(join(root, imagePath(two.hash)), "tw");
  expect(await store.holds(two.hash)).toBe(false);
  await expect(readStoredImage(root, two.hash)).rejects.toMatchObject({ code: "ARTIFACT_INVALID" });
  await store.put(two);
  expect((await readStoredImage(root, two.hash)).toString()).toBe("two");
  await expect(readStoredImage(root, image("none").hash)).rejects.toMatchObject({ code: "ARTIFACT_INVALID" });
});
