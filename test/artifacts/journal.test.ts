import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { openJournal } from "../../src/artifacts/index.js";
import type { JsonValue } from "../../src/base/index.js";
import { scratchDirectory } from "../scratch/scratch.js";

let directory: string;
beforeAll(async () => {
  directory = scratchDirectory("journal");
});

async function recordsOf(path: string): Promise<JsonValue[]> {
  const journal = await openJournal(path);
  const records: JsonValue[] = [];
  for await (const record of journal.records()) records.push(record);
  await journal.close();
  return records;
}

const jsonValue = fc.jsonValue() as fc.Arbitrary<JsonValue>;

describe("the journal", () => {
  it("gives back what was appended, across reopening", async () => {
    const path = join(directory, "deep", "round-trip.journal");
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(jsonValue, { maxLength: 5 }), { maxLength: 4 }), async (sessions) => {
        await rm(path, { force: true });
        for (const session of sessions) {
          const journal = await openJournal(path);
          await Promise.all(session.map((value) => journal.append(value)));
          await journal.close();
        }
        // JSON has no negative zero; everything else is kept.
        const expected = JSON.parse(JSON.stringify(sessions.flat())) as JsonValue[];
        expect(await recordsOf(path)).toEqual(expected);
      }),
      { seed: 2, numRuns: 40 },
    );
  });

  it("cut at any byte, holds a prefix of its records and takes new ones", async () => {
    const path = join(directory, "whole.journal");
    const values: JsonValue[] = [1, "two\nlines", { three: [3, "ü"] }, null, "x".repeat(20), ["[", "]"]];
    const journal = await openJournal(path);
    for (const value of values) await journal.append(value);
    await journal.close();
    const size = (await readFile(path)).length;
    const cut = join(directory, "cut.journal");
    let longest = 0;
    for (let bytes = 0; bytes <= size; bytes += 1) {
      await copyFile(path, cut);
      await truncate(cut, bytes);
      const torn = await openJournal(cut);
      const kept = torn.found.records;
      expect(kept).toBeGreaterThanOrEqual(longest);
      longest = kept;
      await torn.append("after");
      await torn.close();
      expect(await recordsOf(cut)).toEqual([...values.slice(0, kept), "after"]);
    }
    expect(longest).toBe(values.length);
  });

  it("never returns a damaged record: one flipped byte costs at most the lines it touches", async () => {
    const path = join(directory, "flipped.journal");
    const values = Array.from({ length: 6 }, (_, k) => ({ k, text: `record ${k}` }));
    const journal = await openJournal(path);
    for (const value of values) await journal.append(value);
    await journal.close();
    const whole = await readFile(path);
    const known = new Set(values.map((value) => JSON.stringify(value)));
    for (let at = 0; at < whole.length; at += 3) {
      const bytes = Buffer.from(whole);
      bytes[at]! ^= 0x04;
      await writeFile(path, bytes);
      const records = await recordsOf(path);
      for (const record of records) expect(known).toContain(JSON.stringify(record));
      expect(records.length).toBeGreaterThanOrEqual(values.length - 2);
      expect(records.length).toBeLessThan(values.length);
    }
  });

  it("says what opening found", async () => {
    const path = join(directory, "found.journal");
    const journal = await openJournal(path);
    for (const value of ["a", "b", "c"]) await journal.append(value);
    await journal.close();
    const lines = (await readFile(path, "utf8")).split("\n");
    await writeFile(path, [lines[0], lines[1]!.replace("b", "B"), lines[2], '["0000'].join("\n"));
    const opened = await openJournal(path);
    expect(opened.found).toEqual({ records: 2, cutBytes: 6, damaged: 1 });
    await opened.close();
  });

  it("keeps every acknowledged record of a process killed with -9", async () => {
    const path = join(directory, "killed.journal");
    const child = spawn(process.execPath, ["--import", "tsx", join(import.meta.dirname, "append-forever.ts"), path], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let acknowledged = 0;
    child.stdout.setEncoding("utf8");
    for await (const text of child.stdout as AsyncIterable<string>) {
      acknowledged = Math.max(acknowledged, ...text.split("\n").map(Number));
      if (acknowledged > 500) child.kill("SIGKILL");
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    const records = await recordsOf(path);
    expect(acknowledged).toBeGreaterThan(500);
    expect(records.length).toBeGreaterThanOrEqual(acknowledged);
    expect(records).toEqual(records.map((_, k) => ({ k: k + 1 })));
  });
});
