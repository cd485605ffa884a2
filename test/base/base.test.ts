import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  canonicalJson,
  DraftsmithError,
  digestOf,
  ERROR_CODES,
  EXIT_BUG,
  formatError,
  fromErrno,
  sha256,
  sha256File,
  VERSION,
} from "../../src/base/index.js";
import { scratchDirectory } from "../scratch/scratch.js";

const root = scratchDirectory("base");

describe("canonicalJson", () => {
  it("is the same for any order of keys and still parses to the same value", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = canonicalJson(value);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(canonicalJson(reversed(value))).toBe(text);
      }),
      { seed: 11 },
    );
  });

  it("puts few and many keys into the order of UTF-16 code units, those of Object.prototype too", () => {
    const keys = fc.oneof(
      fc.string({ unit: "grapheme", maxLength: 3 }),
      fc.constantFrom("toString", "constructor", "__proto__"),
    );
    fc.assert(
      fc.property(fc.uniqueArray(keys, { maxLength: 40 }), (names) => {
        const text = `{${names.map((name, k) => `${JSON.stringify(name)}:${k}`).join(",")}}`;
        // Names of whole numbers come first in any object of JavaScript.
        const isIndex = (name: string): boolean => /^(0|[1-9]\d*)$/.test(name);
        const others = names.filter((name) => !isIndex(name)).sort();
        const wanted = [...names.filter(isIndex).sort((a, b) => Number(a) - Number(b)), ...others];
        const spelled = wanted.map((name) => `${JSON.stringify(name)}:${names.indexOf(name)}`);
        expect(canonicalJson(JSON.parse(text))).toBe(`{${spelled.join(",")}}`);
      }),
      { seed: 12, numRuns: 500 },
    );
  });

  it("keeps a key named __proto__, which untrusted input may hold", () => {
    expect(canonicalJson(JSON.parse('{"b":1,"__proto__":{"a":2}}'))).toBe('{"__proto__":{"a":2},"b":1}');
  });

  it("leaves undefined members out, so that an absent option and an undefined one digest alike", () => {
    expect(digestOf({ a: 1, b: undefined })).toBe(digestOf({ a: 1 }));
  });
});

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, member]) => [key, reversed(member)]),
  );
}

describe("sha256File", () => {
  it("hashes a file larger than its blocks as one", async () => {
    const bytes = Buffer.alloc((1 << 20) + 17, "screenshot");
    const path = join(root, "large");
    writeFileSync(path, bytes);
    expect(await sha256File(path)).toEqual({ sha256: sha256(bytes), bytes: bytes.length });
  });
});

describe("errors", () => {
  it("have exit codes of their own, none of which is that of a bug or of success", () => {
    for (const { exit, meaning } of Object.values(ERROR_CODES)) {
      expect(exit).toBeGreaterThan(EXIT_BUG);
      expect(meaning).not.toBe("");
    }
  });

  it("read as code, message, place, frame and hint", () => {
    const error = new DraftsmithError("INPUT_INVALID", "line is no JSON", {
      location: { file: "a.jsonl", line: 3, column: 9, id: "d7", field: "messages" },
      frame: "one\ntwo",
      hint: "mend the line",
    });
    expect(formatError(error)).toBe(
      "error INPUT_INVALID: line is no JSON\n  at a.jsonl:3:9 (messages, id d7)\n  one\n  two\n  hint: mend the line",
    );
  });

  it("come from errno exceptions of real files", () => {
    const missing = attempt(() => readFileSync(join(root, "missing")));
    expect(fromErrno(missing, "missing")).toMatchObject({ code: "INPUT_MISSING" });
    // The kernel's own full disk.
    const full = attempt(() => writeFileSync("/dev/full", "x"));
    expect(fromErrno(full, "rows.arrow")).toMatchObject({ code: "DISK_FULL", exitCode: 13 });
    const bug = new TypeError("a bug");
    expect(fromErrno(bug, "x")).toBe(bug);
  });
});

function attempt(task: () => unknown): unknown {
  try {
    return task();
  } catch (error) {
    return error;
  }
}

describe("VERSION", () => {
  it("is that of package.json", () => {
    const file = new URL("../../package.json", import.meta.url);
    expect((JSON.parse(readFileSync(file, "utf8")) as { version: string }).version).toBe(VERSION);
  });
});
