import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { sha256 } from "../../../../src/base/index.js";
import type { RequestImage } from "../../../../src/sglang/index.js";
import { RequestImages } from "../../../../src/stages/regenerate/asking/request-images.js";
import { bodyBytes } from "../../../sglang-client/body-bytes.js";
import { largePicture, temporaryDirectory } from "../harness.js";

async function stored(root: string, png: Buffer): Promise<{ hash: string; path: string }> {
  const hash = sha256(png);
  const directory = join(root, "images", hash.slice(0, 2));
  await mkdir(directory, { recursive: true });
  const path = join(directory, `${hash}.png`);
  await writeFile(path, png);
  return { hash, path };
}

/** Its base64 text, as a request would carry it. */
async function textOf(image: RequestImage): Promise<string> {
  return (await bodyBytes(["read" in image ? image : image.base64])).toString("latin1");
}

describe("the store of pictures", () => {
  it("does not hold a large picture: it is read in small parts, each time anew", async () => {
    const root = await temporaryDirectory();
    const store = new RequestImages(root);
    // Up to the first that is not held, and around multiples of the parts.
    for (const bytes of [196_607, 196_608, 196_609, 294_911, 294_912, 294_913, 1_000_000, 1_000_001, 1_000_002]) {
      const { png } = largePicture(bytes);
      const { hash } = await stored(root, png);
      const image = await store.read(hash);
      expect("read" in image).toBe(bytes > 196_608);
      for (let time = 0; time < 2; time += 1) expect(await textOf(image)).toBe(png.toString("base64"));
      if (!("read" in image)) continue;
      expect(image.bytes).toBe(png.toString("base64").length);
      for await (const part of image.read()) expect(part.length).toBeLessThanOrEqual(200_000);
    }
  });

  it("says which large picture is gone when it is to be sent", async () => {
    const root = await temporaryDirectory();
    const { hash, path } = await stored(root, largePicture(500_000).png);
    const image = await new RequestImages(root).read(hash);
    await rm(path);
    await expect(textOf(image)).rejects.toMatchObject({
      code: "ARTIFACT_INVALID",
      message: expect.stringContaining(path),
    });
  });

  it("reads a picture once for all who want it, at the same time and later", async () => {
    const root = await temporaryDirectory();
    const { hash, path } = await stored(root, Buffer.alloc(5000, 7));
    const store = new RequestImages(root);
    const [one, other] = await Promise.all([store.read(hash), store.read(hash)]);
    expect(other).toBe(one);
    await rm(path);
    expect(await store.read(hash)).toBe(one);
    expect(await textOf(one)).toBe(Buffer.alloc(5000, 7).toString("base64"));
  });

  it("forgets the picture that was not wanted for longest", async () => {
    const root = await temporaryDirectory();
    const pictures = await Promise.all([1, 2, 3].map((fill) => stored(root, Buffer.alloc(3000, fill))));
    const [first, second, third] = pictures.map(({ hash }) => hash) as [string, string, string];
    // Of 4,000 bytes of base64 each, two fit.
    const store = new RequestImages(root, 8000);
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
    const store = new RequestImages(root);
    const both = await Promise.allSettled([store.read(hash), store.read(hash)]);
    expect(both.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    await stored(root, Buffer.alloc(100, 1));
    expect(await textOf(await store.read(hash))).toHaveLength(136);
  });
});
