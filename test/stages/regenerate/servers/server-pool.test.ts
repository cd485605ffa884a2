/** Which server gets which conversation, and what the pool reports about it. */
import { describe, expect, it } from "vitest";
import type { JsonObject } from "../../../../src/base/index.js";
import { estimate } from "../../../../src/stages/regenerate/estimate/estimate.js";
import { regenerateOptionsSchema } from "../../../../src/stages/regenerate/options.js";
import { closingStubs } from "../../../sglang-client/closing-stubs.js";
import { PROBE_REQUESTS, type StubOptions, startStub } from "../../../sglang-client/stub-server.js";
import { dialogues, runStage, temporaryDirectory, writeArtifact } from "../harness.js";

const { stubOf } = closingStubs();

/** Which dialogue a request belongs to, by its first question; undefined for the probe. */
function dialogueOf(body: JsonObject): string | undefined {
  return /Dialogue \d+/.exec(JSON.stringify(body.messages))?.[0];
}

describe("several servers", () => {
  it("share the work, and each conversation stays where it began", async () => {
    const three = await Promise.all([5, 10, 20].map((ms) => stubOf({ delayMs: () => ms })));
    const input = await writeArtifact(await temporaryDirectory(), dialogues(90));
    await runStage({ input, options: { servers: three.map(({ url }) => url), concurrency: 4 } });
    const seen = three.map(({ requests }) => new Set(requests.map(dialogueOf).filter((name) => name !== undefined)));
    expect(seen.reduce((sum, { size }) => sum + size, 0)).toBe(90);
    // The quicker a server, the more it gets.
    expect(seen[0]!.size).toBeGreaterThan(seen[2]!.size);
    for (const { maxInFlight } of three) expect(maxInFlight).toBeLessThanOrEqual(4);
  });

  it("lose a busy one's load for a while, not its answers", async () => {
    const busy = await stubOf({ fault: (n) => (n > 0 && n < 60 ? "busy" : undefined) });
    const calm = await stubOf({ delayMs: () => 2 });
    const input = await writeArtifact(await temporaryDirectory(), dialogues(60));
    const servers = [busy.url, calm.url];
    const { draft } = await runStage({ input, options: { servers, concurrency: 6, retryDelaySeconds: 0.01 } });
    expect(draft.counts).toMatchObject({ kept: 60, failed: 0 });
    expect(calm.requests.length).toBeGreaterThan(busy.requests.filter((_, n) => n >= 60).length);
  });

  it("keep their work though some answers have no ids, and lose it when none has", async () => {
    const input = await writeArtifact(await temporaryDirectory(), dialogues(100));
    const outages = async (fault: StubOptions["fault"]): Promise<number> => {
      const [odd, calm] = [await stubOf({ fault }), await stubOf()];
      const options = { servers: [odd.url, calm.url], concurrency: 4, retryDelaySeconds: 0.01 };
      const { events, draft } = await runStage({ input, options });
      expect(draft.counts).toMatchObject({ read: 100, failed: 0 });
      return events.filter((event) => event.type === "log" && event.message.includes("gets no work until")).length;
    };
    expect(await outages((n) => (n >= PROBE_REQUESTS && n % 3 === 0 ? "ids-missing" : undefined))).toBe(0);
    expect(await outages((n) => (n > 20 ? "ids-missing" : undefined))).toBe(1);
  });

  it("are not believed when they come back as something else", async () => {
    const input = await writeArtifact(await temporaryDirectory(), dialogues(60));
    const undisturbed = await runStage({ input, options: { servers: [(await stubOf()).url] } });
    const mortal = await startStub({ delayMs: () => 8 });
    const steady = await stubOf({ delayMs: () => 8 });
    const options = { servers: [mortal.url, steady.url], concurrency: 6, retryDelaySeconds: 0.02, retries: 20 };
    const running = runStage({ input, options });
    while (mortal.requests.length < 12) await new Promise((resolve) => setTimeout(resolve, 2));
    await mortal.close();
    // At once, so that nobody need notice that the address was empty for a moment.
    await stubOf({ port: mortal.port, salt: 1, modelInfo: { model_path: "/models/other" } });
    const { generations, events } = await running;
    expect(generations).toBe(undisturbed.generations);
    const notes = events.flatMap((event) => (event.type === "log" ? [event.message] : []));
    expect(notes.join()).toMatch(/came back unfit .*model is "other", not "stub"/);
  });

  it("ask again on another one, and say how far they agree", async () => {
    const [one, two] = [await stubOf(), await stubOf()];
    const input = await writeArtifact(await temporaryDirectory(), dialogues(20));
    const options = { servers: [one.url, two.url], concurrency: 4, recheckShare: 1 };
    const { events, draft } = await runStage({ input, options });
    const notes = events.flatMap((event) => (event.type === "log" ? [event.message] : []));
    const pairs = notes.filter((note) => note.includes("asked again on"));
    const agreed = pairs.map((note) =>
      /^answers of (\S+) asked again on (\S+): (\d+) of (\d+) turns equal$/.exec(note)!.slice(1),
    );
    expect(agreed.every(([, , equal, turns]) => equal === turns)).toBe(true);
    const elsewhere = agreed
      .filter(([first, again]) => first !== again)
      .reduce((sum, [, , , turns]) => sum + Number(turns), 0);
    // Where the other server has no free slot, the same one is asked.
    expect(elsewhere).toBeGreaterThan(Number(draft.counts.turns) / 2);
    expect(JSON.stringify(draft)).not.toContain("127.0.0.1");
  });
});

describe("progress and estimate", () => {
  it("counts dialogues, tokens and servers", async () => {
    const stub = await stubOf({ delayMs: () => 30, fault: (n) => (n === 5 ? "error-500" : undefined) });
    const input = await writeArtifact(await temporaryDirectory(), dialogues(40));
    const { events, draft } = await runStage({
      input,
      options: { servers: [stub.url], concurrency: 2, retryDelaySeconds: 0.01 },
    });
    const progress = events.flatMap((event) => (event.type === "step-progress" ? [event] : []));
    expect(progress.at(-1)).toMatchObject({ step: "regenerate", done: 40, total: 40, unit: "dialogues" });
    expect(progress[1]!.rates).toMatchObject({
      "output tokens/s": expect.any(Number),
      "in flight": expect.any(Number),
    });
    expect(progress.at(-1)!.note).toBe("asked again: server-error 1");
    expect(progress.at(-1)!.parts).toEqual([
      {
        name: new URL(stub.url).host,
        state: "up",
        values: { "in flight": 0, "tokens/s": expect.any(Number), answers: draft.counts.turns, faults: 1 },
      },
    ]);
  });

  it("tells failed, rejected and partial dialogues apart", async () => {
    const fault: StubOptions["fault"] = (_n, body) => {
      const number = Number(/\d+/.exec(dialogueOf(body) ?? "")?.[0]);
      const turns = (body.messages as JsonObject[]).length;
      if (number % 5 === 1) return "error-500";
      if (number % 5 === 2) return "loop";
      return number % 5 === 3 && turns > 3 ? "bad-request" : undefined;
    };
    const stub = await stubOf({ fault });
    const input = await writeArtifact(await temporaryDirectory(), dialogues(50));
    const options = { servers: [stub.url], retries: 0, maxFailedShare: 1, maxNewTokens: 500 };
    const { events, draft } = await runStage({ input, options });
    const last = events.findLast((event) => event.type === "step-progress");
    const { partial } = draft.counts as { partial: Record<string, number> };
    expect(last).toMatchObject({ failures: { "server-error": 10 }, rejected: { loop: 10 }, partial });
    expect(partial["bad-request"]).toBeGreaterThan(2);
  });

  it("guesses requests and tokens without a server", async () => {
    const input = await writeArtifact(await temporaryDirectory(), dialogues(30));
    const options = regenerateOptionsSchema.parse({ servers: ["http://127.0.0.1:9"] });
    const { lines } = await estimate(options, { dialogues: input });
    expect(lines[1]).toBe("30 dialogues, about 60 requests");
    expect(await estimate(options, { dialogues: undefined })).toEqual({
      lines: ["1 server(s), 16 dialogues in flight"],
    });
  });
});
