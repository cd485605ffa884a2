/** The report of a run: bounded statistics, and a page that tells what happened and leaves the artifact alone. */
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { redraw } from "../../../../src/pipeline/index.js";
import { LogHistogram } from "../../../../src/report/index.js";
import { Statistics } from "../../../../src/stages/regenerate/report/statistics.js";
import { closingStubs } from "../../../sglang-client/closing-stubs.js";
import { dialogues, runStage, temporaryDirectory, writeArtifact } from "../harness.js";

const { stubOf } = closingStubs();

describe("growing bins", () => {
  it("hold every value once, and percentiles that are at most a fifth too large", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 300 }),
        fc.constantFrom(0.5, 0.95, 0.99, 1),
        (values, share) => {
          const bins = new LogHistogram(0.001);
          for (const value of values) bins.add(value);
          expect(bins.bins().reduce((sum, { count }) => sum + count, 0)).toBe(values.length);
          for (const { from, to, count } of bins.bins()) {
            expect(
              values.filter((value) => value >= from * (1 + 1e-9) && value < to * (1 - 1e-9)).length,
            ).toBeLessThanOrEqual(count);
          }
          const exact = [...values].sort((a, b) => a - b)[Math.ceil(share * values.length) - 1]!;
          const told = bins.percentile(share);
          expect(told).toBeGreaterThanOrEqual(exact * (1 - 1e-9));
          expect(told).toBeLessThanOrEqual(Math.max(0.001, exact * 2 ** 0.25 * (1 + 1e-9)));
          expect(bins.max).toBe(Math.max(...values));
        },
      ),
      { seed: 91, numRuns: 300 },
    );
  });
});

describe("bins of whole numbers", () => {
  it("have whole bounds, no bin that nothing can fall into, and are exact where numbers are small", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(100_000), { minLength: 1, maxLength: 200 }),
        fc.constantFrom(0.5, 0.95, 1),
        (values, share) => {
          const bins = new LogHistogram(1, true);
          for (const value of values) bins.add(value);
          for (const { from, to, count } of bins.bins()) {
            expect([from, to].every(Number.isInteger)).toBe(true);
            expect(to).toBeGreaterThan(from);
            expect(values.filter((value) => value >= from && value < to)).toHaveLength(count);
          }
          expect(bins.bins().reduce((sum, { count }) => sum + count, 0)).toBe(values.length);
          const exact = [...values].sort((a, b) => a - b)[Math.ceil(share * values.length) - 1]!;
          const told = bins.percentile(share);
          expect(told).toBeGreaterThanOrEqual(exact);
          expect(told).toBeLessThanOrEqual(exact < 8 ? exact : exact * 2 ** 0.25);
        },
      ),
      { seed: 92, numRuns: 300 },
    );
  });
});

describe("statistics", () => {
  it("keep the slowest requests and a curve, however many requests there are", () => {
    const statistics = new Statistics();
    const seconds = Array.from({ length: 5000 }, (_, k) => ((k * 7919) % 5000) / 100);
    for (const [k, time] of seconds.entries()) {
      const about = { dialogue: `d${k}`, turn: k % 3, server: `s${k % 2}`, isRecheck: false };
      statistics.answered({ ...about, seconds: time, promptTokens: 100, answerTokens: 10 });
      statistics.sample(k);
    }
    const wanted = [...seconds].sort((a, b) => b - a).slice(0, 20);
    expect(statistics.slowest.map((request) => request.seconds)).toEqual(wanted);
    expect(statistics.points.length).toBeLessThan(240);
    expect(statistics.points.length).toBeGreaterThan(60);
    const paces = statistics.points.slice(1).map((point, at) => point.seconds - statistics.points[at]!.seconds);
    expect(new Set(paces).size).toBe(1);
    expect([...statistics.servers.values()].map(({ answerTokens }) => answerTokens)).toEqual([25_000, 25_000]);
  });
});

describe("the report of a run", () => {
  it("tells servers, faults and slow requests, and changes no byte of the artifact", async () => {
    const input = await writeArtifact(await temporaryDirectory(), dialogues(30));
    const calm = await stubOf();
    const wanted = await runStage({ input, options: { servers: [calm.url] } });
    const ill = await stubOf({ fault: (n) => (n > 5 && n % 9 === 0 ? "error-500" : undefined) });
    const reportDir = join(await temporaryDirectory(), "report");
    const servers = [calm.url, ill.url];
    const made = await runStage({ input, reportDir, options: { servers, retryDelaySeconds: 0.01, concurrency: 4 } });
    expect(made.generations).toBe(wanted.generations);
    expect(made.draft.facts).toEqual(wanted.draft.facts);
    const json = JSON.parse(await readFile(join(reportDir, "report.json"), "utf8")) as {
      outcome: string;
      ends: { done: number; partial: number };
      retries: Record<string, number>;
      latencySeconds: { count: number };
      servers: { name: string; latencySeconds: { count: number }; faults: Record<string, number> }[];
      slowest: { dialogue: string; seconds: number }[];
    };
    const turns = Number(made.draft.counts.turns);
    expect(json.outcome).toBe("done");
    expect(json.ends.done + json.ends.partial).toBe(30);
    expect(json.latencySeconds.count).toBe(turns);
    expect(json.servers.map(({ name }) => name).sort()).toEqual(servers.sort());
    expect(json.servers.reduce((sum, { latencySeconds }) => sum + latencySeconds.count, 0)).toBe(turns);
    const faults = json.servers.find(({ name }) => name === ill.url)!.faults["server-error"]!;
    expect(faults).toBeGreaterThan(0);
    expect(json.retries["server-error"]).toBe(faults);
    expect(json.slowest.length).toBe(20);
    const page = await readFile(join(reportDir, "report.html"), "utf8");
    for (const words of ["Slowest requests", json.slowest[0]!.dialogue, ill.url, "server-error", "<svg"]) {
      expect(page).toContain(words);
    }
  });

  it("is drawn again from its figures to the same bytes, whatever the run was like", async () => {
    const input = await writeArtifact(await temporaryDirectory(), dialogues(30));
    const stubs = [await stubOf({ serverInfo: { max_req_input_len: 4090 } }), await stubOf({ salt: 3 })];
    const ill = await stubOf({ fault: (_n, body) => (body.max_tokens === 4 ? undefined : "error-500") });
    const runs = [
      { servers: stubs.map(({ url }) => url), recheckShare: 1, concurrency: 2 },
      { servers: [ill.url], retries: 0, retryDelaySeconds: 0 },
    ];
    for (const options of runs) {
      const reportDir = await temporaryDirectory();
      await runStage({ input, reportDir, options }).catch(() => undefined);
      const page = await readFile(join(reportDir, "report.html"), "utf8");
      await rm(join(reportDir, "report.html"));
      expect(await redraw(reportDir, process.cwd())).toEqual([join(reportDir, "report.html")]);
      expect(await readFile(join(reportDir, "report.html"), "utf8")).toBe(page);
    }
  });

  it("tells re-checks apart from the answers, with who disagreed and where, also where they stopped the run", async () => {
    const input = await writeArtifact(await temporaryDirectory(), dialogues(60));
    const stubs = [await stubOf(), await stubOf({ salt: 5 })];
    const [resumeDir, reportDir] = [await temporaryDirectory(), await temporaryDirectory()];
    const options = { servers: stubs.map(({ url }) => url), concurrency: 2, recheckShare: 1 };
    const read = async () =>
      JSON.parse(await readFile(join(reportDir, "report.json"), "utf8")) as {
        outcome: string;
        answerTokens: { count: number };
        latencySeconds: { count: number };
        recheck: {
          turns: number;
          equal: number;
          firstDifferences: { count: number };
          pairs: { first: string; again: string; turns: number; equal: number }[];
        };
      };
    const stopping = runStage({ input, resumeDir, reportDir, options: { ...options, minAgreement: 0.9 } });
    await expect(stopping).rejects.toMatchObject({ code: "VALIDATION_FAILED" });
    const stopped = await read();
    expect(stopped.outcome).toBe("stopped");
    expect(stopped.recheck.equal).toBeLessThan(0.9 * stopped.recheck.turns);
    expect(await readFile(join(reportDir, "report.html"), "utf8")).toContain("Where the first difference lies");
    const made = await runStage({ input, reportDir, options });
    const { answerTokens, latencySeconds, recheck } = await read();
    expect(answerTokens.count).toBe(made.draft.counts.turns);
    const { turns, equal } = made.draft.counts.recheck as { turns: number; equal: number };
    expect(recheck).toMatchObject({ turns, equal });
    expect(latencySeconds.count).toBe(answerTokens.count + recheck.turns);
    expect(recheck.firstDifferences.count).toBe(recheck.turns - recheck.equal);
    expect(recheck.pairs.reduce((sum, { turns }) => sum + turns, 0)).toBe(recheck.turns);
    // One server agrees with itself; the two do not agree.
    for (const { first, again, turns, equal } of recheck.pairs) {
      if (first === again) expect(equal).toBe(turns);
      else expect(equal).toBeLessThan(turns);
    }
  });

  it("says that no question got an answer, and names each server's limit where there are answers", async () => {
    const input = await writeArtifact(await temporaryDirectory(), dialogues(4));
    const stub = await stubOf({
      serverInfo: { max_req_input_len: 4090 },
      fault: (_n, body) => (body.max_tokens === 4 ? undefined : "error-500"),
    });
    const reportDir = join(await temporaryDirectory(), "report");
    const resumeDir = await temporaryDirectory();
    const options = { servers: [stub.url], retries: 1, retryDelaySeconds: 0 };
    const page = (): Promise<string> => readFile(join(reportDir, "report.html"), "utf8");
    await expect(runStage({ input, resumeDir, reportDir, options })).rejects.toMatchObject({
      code: "TOO_MANY_FAILURES",
    });
    expect(await page()).toContain("No question got an answer in this run: all 8 attempts failed.");
    expect(await page()).toContain("server-error");
    stub.options.fault = undefined;
    await runStage({ input, resumeDir, reportDir, options });
    expect(await page()).not.toContain("No question got an answer");
    expect(await page()).toContain(">4,089<");
    const { servers } = JSON.parse(await readFile(join(reportDir, "report.json"), "utf8")) as { servers: object[] };
    expect(servers).toMatchObject([{ name: stub.url, promptLimit: 4089, trouble: "" }]);
  });

  it("is written for a run that was stopped, and says what covers that run only", async () => {
    const input = await writeArtifact(await temporaryDirectory(), dialogues(40));
    const stop = new AbortController();
    let asked = 0;
    const stub = await stubOf({
      fault: (_n, body) => {
        if (body.max_tokens !== 4) asked += 1; // A probe asks for four.
        if (asked === 10) stop.abort();
        return undefined;
      },
    });
    const [resumeDir, reportDir] = [await temporaryDirectory(), await temporaryDirectory()];
    const options = { servers: [stub.url], concurrency: 2 };
    const request = { input, resumeDir, reportDir, options };
    await expect(runStage({ ...request, signal: stop.signal })).rejects.toThrow(/stopped/);
    const read = async () =>
      JSON.parse(await readFile(join(reportDir, "report.json"), "utf8")) as { outcome: string; skipped: number };
    expect(await read()).toMatchObject({ outcome: "stopped", skipped: 0 });
    await runStage(request);
    const second = await read();
    expect(second.outcome).toBe("done");
    expect(second.skipped).toBeGreaterThan(0);
    expect(await readFile(join(reportDir, "report.html"), "utf8")).toContain(
      `${second.skipped} dialogues had been finished before this run`,
    );
  });
});
