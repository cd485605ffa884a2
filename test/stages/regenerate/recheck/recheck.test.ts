/** The re-check during the run and at its end: the same dialogues whatever the order, each once, and no stop by noise. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openJournal } from "../../../../src/artifacts/journal.js";
import { answererOf, answerersOf, type CheckPair } from "../../../../src/stages/regenerate/ledger/check-record.js";
import { Ledger } from "../../../../src/stages/regenerate/ledger/ledger.js";
import { isSurelyBelow } from "../../../../src/stages/regenerate/recheck/agreement.js";
import type { InputArtifact } from "../../../../src/stages/stage.js";
import { closingStubs } from "../../../sglang-client/closing-stubs.js";
import { PROBE_REQUESTS, type StubOptions } from "../../../sglang-client/stub-server.js";
import { dialogues, runStage, temporaryDirectory, writeArtifact } from "../harness.js";

const { stubOf, stubs } = closingStubs();

async function inputOf(count: number): Promise<InputArtifact> {
  return writeArtifact(await temporaryDirectory(), dialogues(count));
}

/** P(X <= equal) for a binomial of n and p, summed exactly. */
function lowerTail(n: number, equal: number, p: number): number {
  let term = n * Math.log(1 - p);
  let sum = Math.exp(term);
  for (let k = 1; k <= equal; k += 1) {
    term += Math.log((n - k + 1) / k) + Math.log(p / (1 - p));
    sum += Math.exp(term);
  }
  return sum;
}

describe("too little agreement", () => {
  it("is sure only where chance would give it once in a million runs", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 600 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0.02, max: 0.99, noNaN: true }),
        (n, share, p) => {
          const equal = Math.floor(n * share);
          if (isSurelyBelow({ turns: n, equal }, p)) expect(lowerTail(n, equal, p)).toBeLessThanOrEqual(1.0001e-6);
        },
      ),
      { seed: 5, numRuns: 2000 },
    );
    expect(isSurelyBelow({ turns: 100, equal: 50 }, 0.95)).toBe(true);
    expect(isSurelyBelow({ turns: 10, equal: 8 }, 0.95)).toBe(false);
    expect(isSurelyBelow({ turns: 40, equal: 39 }, 1)).toBe(true);
    expect(isSurelyBelow({ turns: 40, equal: 40 }, 1)).toBe(false);
    expect(isSurelyBelow({ turns: 0, equal: 0 }, 1)).toBe(false);
  });

  it("stops a run early, again at once when it continues, and not when the threshold is lowered", async () => {
    const input = await inputOf(240);
    // The second server answers as another model would, with the same rendering and identity.
    const servers = [(await stubOf()).url, (await stubOf({ salt: 7 })).url];
    const resumeDir = await temporaryDirectory();
    const options = { servers, concurrency: 2, recheckShare: 1, minAgreement: 0.9 };
    const asked = (): number => stubs.reduce((sum, stub) => sum + stub.requests.length, 0);
    await expect(runStage({ input, options, resumeDir })).rejects.toMatchObject({
      code: "VALIDATION_FAILED",
      message: expect.stringContaining("the run stops early") as string,
    });
    const first = asked();
    // All of it would be 480 turns, each asked twice.
    expect(first).toBeLessThan(300);
    await expect(runStage({ input, options, resumeDir })).rejects.toMatchObject({ code: "VALIDATION_FAILED" });
    expect(asked() - first).toBeLessThanOrEqual(2 + 4);
    const { draft, events } = await runStage({ input, options: { ...options, minAgreement: 0 }, resumeDir });
    const { turns, equal } = draft.counts.recheck as { turns: number; equal: number };
    expect(turns).toBe(draft.counts.turns);
    expect(equal).toBeLessThan(0.2 * turns);
    const pairs = events.filter((event) => event.type === "log" && /asked again on/.test(event.message));
    expect(pairs.length).toBeGreaterThanOrEqual(2);
  }, 60_000);
});

describe("a re-check", () => {
  it("chooses the same dialogues at any concurrency, and noise does not stop it", async () => {
    const input = await inputOf(120);
    // About one answer in twenty comes out otherwise when it is asked again, as near-ties do.
    const noisy = (): StubOptions => {
      const seen = new Set<string>();
      return {
        answer: (body) => {
          const key = JSON.stringify(body.messages);
          const again = seen.has(key);
          seen.add(key);
          return again && key.length % 20 === 0 ? "click elsewhere" : undefined;
        },
      };
    };
    const results = [];
    for (const concurrency of [1, 9]) {
      const stub = await stubOf(noisy());
      const options = { servers: [stub.url], concurrency, recheckShare: 0.5, minAgreement: 0.8 };
      results.push(await runStage({ input, options }));
    }
    expect(results[1]!.draft).toEqual(results[0]!.draft);
    const { turns, equal } = results[0]!.draft.counts.recheck as { turns: number; equal: number };
    expect(equal).toBeLessThan(turns);
    expect(turns).toBeLessThan(Number(results[0]!.draft.counts.turns));
  }, 60_000);

  it("asks each chosen turn once more, also over an interruption", async () => {
    const input = await inputOf(60);
    const stub = await stubOf();
    const resumeDir = await temporaryDirectory();
    const options = { servers: [stub.url], concurrency: 4, recheckShare: 0.6 };
    const controller = new AbortController();
    stub.options.fault = () => {
      if (stub.requests.length > 90) controller.abort();
      return undefined;
    };
    await expect(runStage({ input, options, resumeDir, signal: controller.signal })).rejects.toMatchObject({
      code: "INTERRUPTED",
    });
    stub.options.fault = undefined;
    const { draft } = await runStage({ input, options, resumeDir });
    const { turns } = draft.counts.recheck as { turns: number };
    // The probes of two runs; a dialogue whose check was cut off in the middle (4 at most, of 3 turns) is checked anew.
    const least = Number(draft.counts.turns) + turns + 2 * PROBE_REQUESTS;
    expect(stub.requests.length).toBeGreaterThanOrEqual(least);
    expect(stub.requests.length).toBeLessThanOrEqual(least + 4 * 3);
    const undisturbed = await runStage({ input, options });
    expect(undisturbed.draft).toEqual(draft);
  }, 60_000);

  it("names the servers of each turn where dialogues moved, also over an interruption", async () => {
    const input = await inputOf(60);
    // Turn 1 of four dialogues fails wherever it is asked first. Fewer faults in a row than take a server out of work.
    const movers = /"Dialogue (43|46|49|52), turn 1/;
    const [faulted, asked] = [new Set<string>(), new Set<string>()];
    const controller = new AbortController();
    let repeats = 0;
    const flighty = (salt: number): StubOptions => ({
      salt,
      fault: (_n, body) => {
        const key = JSON.stringify(body.messages);
        if (movers.test(key) && !faulted.has(key)) {
          faulted.add(key);
          return "error-500";
        }
        if (!/, turn 0/.test(key)) return undefined;
        // Asked a second time: a re-check. Six slots run six at most, so the seventh begins after one was recorded.
        if (asked.has(key)) repeats += 1;
        if (repeats === 7) controller.abort();
        asked.add(key);
        return undefined;
      },
    });
    // Two that answer differently: each agrees with itself and with nobody else, so a wrong label shows.
    const servers = [await stubOf(flighty(1)), await stubOf(flighty(2))].map(({ url }) => url);
    const [resumeDir, reportDir] = [await temporaryDirectory(), await temporaryDirectory()];
    const options = { servers, recheckShare: 1, retryDelaySeconds: 0.001 };
    const { signal } = controller;
    // None of the dialogues that move.
    const first = { input, options: { ...options, concurrency: 3 }, resumeDir, reportDir, limit: 40, signal };
    await expect(runStage(first)).rejects.toMatchObject({ code: "INTERRUPTED" });
    expect(faulted.size).toBe(0);
    // A slot for every dialogue on each server: whoever has to move finds a free one.
    const { draft } = await runStage({ input, options: { ...options, concurrency: 60 }, resumeDir, reportDir });
    expect(faulted.size).toBe(4);
    const report = JSON.parse(await readFile(join(reportDir, "report.json"), "utf8")) as {
      recheck: { turns: number; earlierTurns: number; pairs: CheckPair[] };
    };
    const { pairs, turns, earlierTurns } = report.recheck;
    expect(turns).toBe(draft.counts.turns);
    expect(earlierTurns).toBeGreaterThan(0);
    expect(pairs.reduce((sum, pair) => sum + pair.turns, 0)).toBe(turns);
    expect(pairs.length).toBeGreaterThanOrEqual(3);
    for (const pair of pairs) expect(pair.equal).toBe(pair.first === pair.again ? pair.turns : 0);
    const journal = await readFile(join(resumeDir, "journal.jsonl"), "utf8");
    const ofTwo = /"type":"end".*"id":"d(?:43|46|49|52)".*"servers":\["http[^"]+","http[^"]+"\]/g;
    expect(journal.match(ofTwo)).toHaveLength(4);
    expect(JSON.stringify(draft)).not.toContain("127.0.0.1");
  }, 60_000);

  it("reads journals that knew one pair of servers for a dialogue", async () => {
    const path = join(await temporaryDirectory(), "journal.jsonl");
    const journal = await openJournal(path);
    const key = "ab".repeat(32);
    const row = { id: "d", dialogueDigest: key, status: "failed", reason: "timeout", message: "" };
    await journal.append({ type: "settings", settings: {} });
    await journal.append({ type: "end", key, status: "failed", row, server: "http://a:1" });
    await journal.append({ type: "turn", key, index: 0, message: { role: "assistant", content: [] }, turn: {} });
    const check = { turns: 3, equal: 2, firstDifferences: [4], servers: ["http://a:1", "http://b:1"] };
    await journal.append({ type: "check", key, check });
    await journal.close();
    const ledger = await Ledger.open(path, { historyContent: "trimmed", history: "all" });
    const pairs = [{ first: "http://a:1", again: "http://b:1", turns: 3, equal: 2 }];
    expect(await ledger.checks()).toEqual([{ turns: 3, equal: 2, firstDifferences: [4], pairs }]);
    expect(await ledger.checkOf(key)).toEqual((await ledger.checks())[0]);
    expect((await ledger.endOf(key))!.answerers).toEqual({ server: "http://a:1" });
    expect(await ledger.turnsOf(key)).toMatchObject([{ server: undefined }]);
    await ledger.close();
  });
});

describe("who answered", () => {
  it("is told for each turn that was kept, and shortly where it was one server", () => {
    const name = fc.constantFrom("", "a", "b");
    fc.assert(
      fc.property(fc.array(name, { maxLength: 6 }), fc.nat(6), (servers, kept) => {
        const answerers = answerersOf(servers, kept);
        const known = servers.slice(0, kept);
        expect(known.map((_, at) => answererOf(answerers, at))).toEqual(known);
        if (new Set(known).size < 2) expect(answerers.servers).toBeUndefined();
      }),
    );
  });
});
