/** Whatever servers and networks do, each dialogue ends once, and answered ones are the same bytes. */
import { describe, expect, it } from "vitest";
import type { JsonObject } from "../../../src/base/index.js";
import { sha256 } from "../../../src/base/index.js";
import type { RejectedRow } from "../../../src/dialogue/index.js";
import { closingStubs } from "../../sglang-client/closing-stubs.js";
import { LASTING, PASSING, SLOW } from "../../sglang-client/fault-table.js";
import { type Fault, type StubOptions, startStub } from "../../sglang-client/stub-server.js";
import { dialogues, lines, runStage, temporaryDirectory, writeArtifact } from "./harness.js";

const { stubOf } = closingStubs();

/** The stage's own probe must pass, or nothing starts. */
const isProbe = (body: JsonObject): boolean => body.max_tokens === 4;
/** Chosen by the question, so that it does not depend on chance. */
const isLasting = (body: JsonObject): Fault | undefined => {
  const digest = Buffer.from(sha256(JSON.stringify(body.messages)), "hex");
  return digest[0]! < 40 ? LASTING[digest[1]! % LASTING.length]![0] : undefined;
};
const lasting = (_n: number, body: JsonObject): Fault | undefined => (isProbe(body) ? undefined : isLasting(body));

/** The same faults in the same places at every run of the test. */
function storm(seed: number, share: number): StubOptions["fault"] {
  return (n, body) => {
    if (isProbe(body)) return undefined;
    const draw = Buffer.from(sha256(`${seed}/${n}`), "hex");
    if (draw.readUInt16BE(0) / 65_536 >= share) return isLasting(body);
    const fault = PASSING[draw[2]! % PASSING.length]!;
    // Slow answers are answers: a verdict on the content must not hide behind them.
    return SLOW.includes(fault) ? (isLasting(body) ?? fault) : fault;
  };
}

/** A request that hangs is a fault of the stub's own making; it must not hold up the test. */
const EAGER = { requestTimeoutSeconds: 5, retries: 60, retryDelaySeconds: 0.005, maxFailedShare: 1, maxNewTokens: 500 };

/** DRAFTSMITH_STORM=25000 sends about 100,000 requests. */
const STORM = Number(process.env.DRAFTSMITH_STORM ?? 150);

describe("faults", () => {
  it(
    `balances the account to the last row over ${STORM} dialogues in a storm`,
    async () => {
      const rows = dialogues(STORM);
      const input = await writeArtifact(await temporaryDirectory(), rows);
      const many = await Promise.all([1, 2, 3].map((seed) => stubOf({ fault: storm(seed, 0.5) })));
      const options = {
        servers: many.map(({ url }) => url),
        concurrency: 40,
        ...EAGER,
        retries: 4,
        retryDelaySeconds: 0.001,
      };
      const { draft, generations, rejected } = await runStage({ input, options });
      const ids = [...lines(generations), ...lines(rejected)].map((row) => (row as { id: string }).id);
      expect(new Set(ids).size).toBe(STORM);
      expect(ids).toHaveLength(STORM);
      const {
        read,
        kept,
        rejected: reasons,
        done,
        partial,
      } = draft.counts as Record<string, number> & { rejected: object; partial: object };
      const sum = (counts: object): number =>
        Object.values(counts as Record<string, number>).reduce((a, b) => a + b, 0);
      expect(read).toBe(STORM);
      expect(kept! + sum(reasons!)).toBe(STORM);
      expect(done! + sum(partial!)).toBe(kept);
      console.log(
        `${many.reduce((all, { requests }) => all + requests.length, 0)} requests, ${JSON.stringify(draft.counts)}`,
      );
    },
    60_000 + STORM * 60,
  );

  it("gives the same bytes under storms, at any concurrency and on several servers", async () => {
    const rows = dialogues(60);
    const input = await writeArtifact(await temporaryDirectory(), rows);
    const calm = await stubOf({ fault: lasting });
    const undisturbed = await runStage({ input, options: { servers: [calm.url], concurrency: 1, ...EAGER } });
    expect(undisturbed.draft.counts.read).toBe(60);
    expect(lines(undisturbed.rejected).length).toBeGreaterThan(3);
    for (const [seed, share, concurrency, servers] of [
      [1, 0.3, 5, 1],
      [2, 0.5, 16, 2],
      [3, 0.2, 40, 3],
    ] as const) {
      const many = await Promise.all(
        Array.from({ length: servers }, (_, k) => stubOf({ fault: storm(seed * 10 + k, share) })),
      );
      const options = { servers: many.map(({ url }) => url), concurrency, ...EAGER };
      const disturbed = await runStage({ input, options });
      expect(disturbed.generations).toBe(undisturbed.generations);
      expect(disturbed.rejected).toBe(undisturbed.rejected);
      expect(disturbed.draft).toEqual(undisturbed.draft);
    }
  }, 180_000);

  it("ends every dialogue in one way, and the account balances", async () => {
    const input = await writeArtifact(await temporaryDirectory(), dialogues(80));
    const stub = await stubOf({
      fault: (n, body) => (isProbe(body) ? undefined : n % 3 === 0 ? "error-500" : isLasting(body)),
    });
    const { draft, rows, rejected } = await runStage({
      input,
      options: { servers: [stub.url], concurrency: 8, retries: 0, maxFailedShare: 1 },
    });
    const others = lines(rejected) as RejectedRow[];
    const ids = [...rows.map(({ id }) => id), ...others.map(({ id }) => id)].sort();
    expect(ids).toEqual(
      dialogues(80)
        .map(({ id }) => id)
        .sort(),
    );
    const rejections = Object.values(draft.counts.rejected!).reduce((sum, count) => sum + count, 0);
    expect(draft.counts.read).toBe(draft.counts.kept! + rejections);
    expect(draft.counts.failed).toBe(others.filter(({ status }) => status === "failed").length);
    expect(others.some(({ reason }) => reason === "server-error")).toBe(true);
    // No address and no port may get into the artifact.
    expect(rejected).not.toContain("127.0.0.1");
  }, 90_000);

  it.each(LASTING)("takes %s for %s, once and for good", async (fault, reason) => {
    const input = await writeArtifact(await temporaryDirectory(), dialogues(1));
    const stub = await stubOf({ fault: (_n, body) => (isProbe(body) ? undefined : fault) });
    const run = runStage({ input, options: { servers: [stub.url], maxFailedShare: 1 } });
    await expect(run).rejects.toMatchObject({ code: "DATA_EMPTY" });
    await expect(run).rejects.toThrow(new RegExp(`${reason} 1`));
    expect(stub.requests.filter((body) => !isProbe(body))).toHaveLength(1);
  });

  it("keeps the answers before a bad turn as a partial dialogue", async () => {
    const rows = dialogues(3);
    const input = await writeArtifact(await temporaryDirectory(), [rows[2]!]);
    const stub = await stubOf({
      fault: (_n, body) => ((body.messages as unknown[]).length >= 5 ? "bad-request" : undefined),
    });
    const { rows: done, draft } = await runStage({ input, options: { servers: [stub.url] } });
    expect(done[0]).toMatchObject({ status: "partial", reason: "bad-request" });
    expect(done[0]!.turns).toHaveLength(2);
    expect(done[0]!.messages).toHaveLength(4);
    expect(draft.counts).toMatchObject({ kept: 1, partial: { "bad-request": 1 } });
  });

  it("gives up on answers that take too long or are too large, and says so", async () => {
    const input = await writeArtifact(await temporaryDirectory(), dialogues(2));
    const hanging = await stubOf({ fault: (_n, body) => (isProbe(body) ? undefined : "hang") });
    const options = { retries: 1, retryDelaySeconds: 0, requestTimeoutSeconds: 0.2, maxFailedShare: 0 };
    await expect(runStage({ input, options: { servers: [hanging.url], ...options } })).rejects.toMatchObject({
      code: "TOO_MANY_FAILURES",
    });
    const flooding = await stubOf({ fault: (_n, body) => (isProbe(body) ? undefined : "huge-body") });
    const patient = { ...options, requestTimeoutSeconds: 20 };
    await expect(runStage({ input, options: { servers: [flooding.url], ...patient } })).rejects.toMatchObject({
      code: "TOO_MANY_FAILURES",
    });
  }, 90_000);

  it("asks only failed dialogues when the same command continues", async () => {
    const input = await writeArtifact(await temporaryDirectory(), dialogues(12));
    const resumeDir = await temporaryDirectory();
    const stub = await stubOf({ fault: (n, body) => (!isProbe(body) && n % 4 === 0 ? "error-500" : undefined) });
    const options = { servers: [stub.url], retries: 0, maxFailedShare: 0 };
    await expect(runStage({ input, options, resumeDir })).rejects.toMatchObject({ code: "TOO_MANY_FAILURES" });
    const turnsAsked = () => stub.requests.filter((body) => !isProbe(body)).length;
    const asked = turnsAsked();
    stub.options.fault = () => undefined;
    const healed = await runStage({ input, options, resumeDir });
    expect(turnsAsked() - asked).toBeGreaterThan(0);
    expect(turnsAsked() - asked).toBeLessThan(12);
    const undisturbed = await runStage({ input, options: { servers: [(await stubOf()).url] } });
    expect(healed.generations).toBe(undisturbed.generations);
  });

  it("goes on when a server dies and returns, and when it is the only one", async () => {
    const input = await writeArtifact(await temporaryDirectory(), dialogues(40));
    const undisturbed = await runStage({ input, options: { servers: [(await stubOf()).url] } });
    for (const others of [0, 1]) {
      const mortal = await startStub({ delayMs: () => 5 });
      const steady = await Promise.all(Array.from({ length: others }, () => stubOf({ delayMs: () => 5 })));
      const servers = [mortal.url, ...steady.map(({ url }) => url)];
      const running = runStage({ input, options: { servers, concurrency: 4, retries: 20, retryDelaySeconds: 0.02 } });
      while (mortal.requests.length < 10) await new Promise((resolve) => setTimeout(resolve, 2));
      await mortal.close();
      await new Promise((resolve) => setTimeout(resolve, 400));
      const reborn = await stubOf({ port: mortal.port });
      const result = await running;
      expect(result.generations).toBe(undisturbed.generations);
      if (others === 0) expect(reborn.requests.length).toBeGreaterThan(5);
    }
  }, 90_000);

  it("stops with SERVER_UNREACHABLE when all servers stay away, and keeps what was finished", async () => {
    const input = await writeArtifact(await temporaryDirectory(), dialogues(40));
    const resumeDir = await temporaryDirectory();
    const mortal = await startStub({ delayMs: () => 5 });
    const options = { servers: [mortal.url], concurrency: 4, serverWaitSeconds: 0.5 };
    const running = runStage({ input, options, resumeDir });
    const outcome = expect(running).rejects.toMatchObject({ code: "SERVER_UNREACHABLE" });
    while (mortal.requests.length < 12) await new Promise((resolve) => setTimeout(resolve, 2));
    await mortal.close();
    await outcome;
    const reborn = await stubOf({});
    const result = await runStage({ input, options: { ...options, servers: [reborn.url] }, resumeDir });
    const undisturbed = await runStage({ input, options: { servers: [(await stubOf()).url] } });
    expect(result.generations).toBe(undisturbed.generations);
    const requests = dialogues(40).reduce(
      (sum, { messages }) => sum + messages.filter(({ role }) => role === "assistant").length,
      0,
    );
    expect(reborn.requests.filter((body) => !isProbe(body)).length).toBeLessThan(requests);
  }, 90_000);
});
