import { execFileSync } from "node:child_process";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { type ImageRoots, openRoots, readReference } from "../../src/images/index.js";
import { scratchDirectory } from "../scratch/scratch.js";

let top: string;
let roots: ImageRoots;
beforeAll(async () => {
  top = scratchDirectory("locate");
  await mkdir(join(top, "a", "sub"), { recursive: true });
  await mkdir(join(top, "b"));
  await mkdir(join(top, "a-but-longer"));
  await writeFile(join(top, "a", "one.png"), "one");
  await writeFile(join(top, "a", "100%.png"), "percent");
  await writeFile(join(top, "b", "two.png"), "two");
  await writeFile(join(top, "secret.png"), "secret");
  await writeFile(join(top, "a-but-longer", "neighbour.png"), "neighbour");
  await symlink(join(top, "secret.png"), join(top, "a", "link-out.png"));
  await symlink(join(top, "b", "two.png"), join(top, "a", "link-in.png"));
  await symlink(top, join(top, "a", "up"));
  await symlink("loop.png", join(top, "a", "loop.png"));
  if (process.platform !== "win32") execFileSync("mkfifo", [join(top, "a", "pipe.png")]);
  roots = await openRoots([join(top, "a"), join(top, "b")]);
});

async function read(reference: string, maxBytes = 1000): Promise<string> {
  const result = await readReference(reference, roots, maxBytes);
  return result.ok ? result.bytes.toString() : result.reason;
}

describe("paths", () => {
  it("are looked up in the roots in order, also absolute ones and file addresses", async () => {
    expect(await read("one.png")).toBe("one");
    expect(await read("./one.png")).toBe("one");
    expect(await read("two.png")).toBe("two");
    expect(await read(join(top, "b", "two.png"))).toBe("two");
    expect(await read(pathToFileURL(join(top, "b", "two.png")).href)).toBe("two");
    expect(await read("100%.png")).toBe("percent");
  });

  it("may be links from one root into another, not out of the roots", async () => {
    expect(await read("link-in.png")).toBe("two");
    expect(await read("link-out.png")).toBe("image-outside-root");
    expect(await read("up/secret.png")).toBe("image-outside-root");
    expect(await read("up/b/two.png")).toBe("two");
  });

  it("never lead out of the roots", async () => {
    for (const path of ["../secret.png", "sub/../../secret.png", "..\\secret.png", "sub/..", ".."]) {
      expect(await read(path)).toBe("image-outside-root");
    }
    for (const path of [join(top, "secret.png"), "/etc/passwd", join(top, "a-but-longer", "neighbour.png")]) {
      expect(await read(path)).toBe("image-outside-root");
    }
    expect(await read(`file://${top}/a/%2e%2e/secret.png`)).toMatch(/outside-root/);
  });

  it("must name a plain file that is there, and not too large", async () => {
    expect(await read("none.png")).toBe("image-missing");
    expect(await read("one.png/below")).toBe("image-missing");
    expect(await read("loop.png")).toBe("image-missing");
    expect(await read("sub")).toBe("image-not-a-file");
    expect(await read("pipe.png")).toBe("image-not-a-file");
    expect(await read("one.png", 2)).toBe("image-too-many-bytes");
    expect(await read("")).toBe("image-reference-invalid");
    expect(await read("a\0.png")).toBe("image-reference-invalid");
    expect(await read("file://elsewhere/a.png")).toBe("image-reference-invalid");
  });
});

describe("addresses", () => {
  it("that are remote are refused without a connection", async () => {
    for (const address of ["http://127.0.0.1:1/a.png", "HTTPS://example.org/a.png", "s3://bucket/a.png", "ftp://x/a"]) {
      expect(await read(address)).toBe("image-remote-refused");
    }
  });

  it("that are data URIs are decoded, within the limit", async () => {
    const uri = (bytes: Buffer) => `data:image/png;base64,${bytes.toString("base64")}`;
    expect(await read(uri(Buffer.from("hello")))).toBe("hello");
    expect(await read(uri(Buffer.alloc(2000)))).toBe("image-too-many-bytes");
    expect(await read("data:image/png,abc")).toBe("image-data-uri-invalid");
    expect(await read("data:image/png;base64,a*b")).toBe("image-data-uri-invalid");
    expect(await read("data:image/png;base64,")).toBe("image-data-uri-invalid");
  });
});
