import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { sha256 } from "../../../src/base/index.js";
import { ImageStore } from "../../../src/stages/regenerate/image-store.js";
import { temporaryDirectory } from "./harness.js";

async function stored(root: string, png: Buffer): Promise<{ hash: string; path: string }> {
  const hash = sha256(png);
  const directory = join(root, "images", hash.slice(0, 2));
  await mkdir(directory, { recursive: true });
  const path = join(directory, `${hash}.png`);
  await writeFile(path, png);
  return { hash, path };
}

describe("the store of pictures", () => {
  it("reads a picture once for all who want it, at the same time and later", async () => {
    const root = await temporaryDirectory();
    const { hash, path } = await stored(root, Buffer.alloc(5000, 7));
    const store = new ImageStore(root);
    const [one, other] = await Promise.all([store.read(hash), store.read(hash)]);
    expect(other).toBe(one);
    await rm(path);
    expect(await store.read(hash)).toBe(one);
    expect(one.base64.toString("latin1")).toBe(Buffer.alloc(5000, 7).toString("base64"));
  });

  it("forgets the picture that was not wanted for longest", async () => {
    const root = await temporaryDirectory();
    const pictures = await Promise.all([1, 2, 3].map((fill) => stored(root, Buffer.alloc(3000, fill))));
    const [first, second, third] = pictures.map(({ hash }) => hash) as [string, string, string];
    // Of 4,000 bytes of base64 each, two fit.
    const store = new ImageStore(root, 8000);
    for (const hash of [first, second, first, third]) await store.read(hash);
    await Promise.all(pictures.map(({ path }) => rm(path)));
    await store.read(first);
    await store.read(third);
    await expect(store.read(second)).rejects.toMatchObject({ code: "ARTIFACT_INVALID" });
  });

  it("tries again after a picture was missing", async () => {
    const root = await temporaryDirectory();
    const { hash, path } = await stored(root, Buffer.alloc(100, 1));
    await rm(path);
    const store = new ImageStore(root);
    const both = await Promise.allSettled([store.read(hash), store.read(hash)]);
    expect(both.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    await stored(root, Buffer.alloc(100, 1));
    expect((await store.read(hash)).base64.length).toBe(136);
  });
});
