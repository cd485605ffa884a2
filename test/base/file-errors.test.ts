/** Errors of the file system, each made by the file system itself. */
import { mkdirSync, openSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { fromErrno, isDraftsmithError, withoutErrno } from "../../src/base/index.js";
import { scratchDirectory } from "../scratch/scratch.js";

const root = scratchDirectory("file-errors");
mkdirSync(join(root, "directory"));
writeFileSync(join(root, "file"), "text");

function thrownBy(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error("it did not fail");
}

describe("fromErrno", () => {
  it.each<[string, () => unknown, string]>([
    ["a missing file", () => readFileSync(join(root, "missing")), "INPUT_MISSING"],
    ["a directory for a file", () => readFileSync(join(root, "directory")), "INPUT_INVALID"],
    ["a path through a file", () => readFileSync(join(root, "file", "inside")), "INPUT_MISSING"],
    ["a directory in place of a file", () => mkdirSync(join(root, "file")), "OUTPUT_INVALID"],
    ["a directory below nothing", () => mkdirSync(join(root, "missing", "inside")), "OUTPUT_INVALID"],
    ["a long name", () => mkdirSync(join(root, "n".repeat(300))), "OUTPUT_INVALID"],
    ["a full disk", () => writeSync(openSync("/dev/full", "w"), "text"), "DISK_FULL"],
  ])("tells %s by the system call", (_, action, code) => {
    expect(fromErrno(thrownBy(action), "rows.jsonl", { field: "source.0" })).toMatchObject({
      code,
      message: expect.stringContaining("rows.jsonl"),
      location: { file: "rows.jsonl", field: "source.0" },
    });
  });

  it("takes the caller's word for what an open file was for", () => {
    const error = thrownBy(() => writeFileSync(join(root, "missing", "new"), "text"));
    expect(fromErrno(error, "new")).toMatchObject({ code: "INPUT_MISSING" });
    expect(fromErrno(error, "new", { use: "write" })).toMatchObject({ code: "OUTPUT_INVALID" });
  });

  it("shortens a path that is the problem", () => {
    const path = `/${"n".repeat(5000)}`;
    const error = fromErrno(
      thrownBy(() => readFileSync(path)),
      path,
    );
    if (!isDraftsmithError(error)) throw error;
    expect(error.message.length).toBeLessThan(300);
  });

  it("leaves what the disk did to its own code, and bugs alone", () => {
    const broken = Object.assign(new Error("EIO: i/o error, read"), { code: "EIO", syscall: "read" });
    expect(fromErrno(broken, "rows")).toMatchObject({ code: "DISK_FAILED" });
    for (const bug of [new TypeError("x is undefined"), Object.assign(new Error("x"), { code: "ERR_ASSERTION" })])
      expect(fromErrno(bug, "rows")).toBe(bug);
  });
});

describe("withoutErrno", () => {
  it("finds the path in the error itself", async () => {
    const error: unknown = await mkdir(join(root, "file", "inside")).catch((reason: unknown) => reason);
    expect(withoutErrno(error)).toMatchObject({
      code: "OUTPUT_INVALID",
      location: { file: join(root, "file/inside") },
    });
  });

  it("knows a full disk where the error has no path", () => {
    expect(withoutErrno(thrownBy(() => writeSync(openSync("/dev/full", "w"), "text")))).toMatchObject({
      code: "DISK_FULL",
    });
  });

  it("leaves programs and networks alone", () => {
    const spawned = Object.assign(new Error("spawn x ENOENT"), { code: "ENOENT", syscall: "spawn x", path: "x" });
    const refused = Object.assign(new Error("connect"), { code: "ECONNREFUSED", syscall: "connect" });
    for (const error of [spawned, refused]) expect(withoutErrno(error)).toBe(error);
  });
});
