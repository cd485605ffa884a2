/**
 * Every source dialogue ends in exactly one of done, partial, rejected and failed, whatever answers and faults come; and
 * what is written depends on the answers alone, not on who gave them, when, or how often the run was stopped.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { JsonObject } from "../../../../src/base/index.js";
import { sha256 } from "../../../../src/base/index.js";
import type { Dialogue, Message } from "../../../../src/dialogue/index.js";
import { type Fault, type Stub, startStub } from "../../../sglang-client/stub-server.js";
import { fakePicture, lines, type RunResult, runStage, temporaryDirectory, writeArtifact } from "../harness.js";

const PICTURES = [fakePicture(1), fakePicture(2)];
/** By the words of the last question: a transient fault for ever, one that passes, a lasting one, or none. */
const LASTING: Fault[] = ["bad-request", "too-long", "bad-image", "nan", "vision-token", "loop", "stop-mismatch"];
const PASSING: Fault[] = [
  "reset",
  "busy",
  "rate-limited",
  "error-500",
  "cut-json",
  "abort",
  "ids-missing",
  "proxy-page",
];

const message = fc.oneof(
  { weight: 5, arbitrary: fc.record({ role: fc.constant("user" as const), fate: fc.integer({ min: 0, max: 30 }) }) },
  { weight: 5, arbitrary: fc.record({ role: fc.constant("assistant" as const), fate: fc.constant(0) }) },
  { weight: 1, arbitrary: fc.record({ role: fc.constant("tool" as const), fate: fc.integer({ min: 0, max: 30 }) }) },
);
const script = fc.array(fc.array(message, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 14 });

function dialogueOf(k: number, steps: { role: Message["role"]; fate: number }[]): Dialogue {
  const messages = steps.map(({ role, fate }, at): Message => {
    const content: Message["content"] = [{ type: "text", text: `d${k} m${at} fate=${fate};` }];
    if (role === "user" && fate % 3 === 0) {
      const { hash, width, height } = PICTURES[fate % 2]!;
      content.unshift({ type: "image", hash, width, height });
    }
    return { role, content };
  });
  return { id: `d${k}`, source: { file: "f", line: k + 1 }, messages };
}

/** Deterministic by content; a passing fault meets each question once. */
function faulty(): { fault: (n: number, body: JsonObject) => Fault | undefined; delayMs: (n: number) => number } {
  const met = new Set<string>();
  return {
    delayMs: (n) => (n * 7) % 5,
    fault: (_, body) => {
      const last = JSON.stringify((body.messages as JsonObject[] | undefined)?.at(-1) ?? "");
      const fate = Number(/fate=(\d+);/.exec(last)?.[1] ?? 30);
      if (fate < LASTING.length) return LASTING[fate];
      if (fate === 8) return "error-500";
      const passing = PASSING[fate - 9];
      if (passing === undefined) return undefined;
      const key = sha256(JSON.stringify(body.messages));
      if (met.has(key)) return undefined;
      met.add(key);
      return passing;
    },
  };
}

const options = { maxFailedShare: 1, retries: 3, retryDelaySeconds: 0 };

/** `DATA_EMPTY` is the verdict on a run without any row; the account then stands in the message. */
async function outcome(run: Promise<RunResult>): Promise<RunResult | string> {
  return run.catch((error: { code?: string; message: string }) => {
    if (error.code !== "DATA_EMPTY") throw error;
    return error.message;
  });
}

describe("the account", () => {
  it("balances for any dialogues, answers and faults, with equal bytes at any concurrency and after an interruption", async () => {
    const kinds = { done: 0, partial: 0, rejected: 0, failed: 0 };
    await fc.assert(
      fc.asyncProperty(
        script,
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 25 }),
        async (steps, concurrency, stopAt) => {
          const rows = steps.map((each, k) => dialogueOf(k, each));
          const input = await writeArtifact(await temporaryDirectory(), rows, PICTURES);
          const stubs: Stub[] = [await startStub(faulty()), await startStub(faulty()), await startStub(faulty())];
          const [first, second, third] = stubs.map(({ url }) => url);
          try {
            const one = await outcome(runStage({ input, options: { ...options, servers: [first!], concurrency: 1 } }));
            const resumeDir = await temporaryDirectory();
            const two = { ...options, servers: [second!, third!], concurrency };
            const controller = new AbortController();
            const own = faulty();
            stubs[1]!.options.fault = (n, body) => {
              if (stubs[1]!.requests.length > stopAt) controller.abort();
              return own.fault(n, body);
            };
            await runStage({ input, options: two, resumeDir, signal: controller.signal }).catch(() => undefined);
            stubs[1]!.options.fault = own.fault;
            const other = await outcome(runStage({ input, options: two, resumeDir }));
            if (typeof one === "string" || typeof other === "string") {
              expect(other).toBe(one);
              return;
            }
            expect(other.generations).toBe(one.generations);
            expect(other.rejected).toBe(one.rejected);
            expect(other.draft).toEqual(one.draft);
            const ends = [...one.rows, ...(lines(one.rejected) as { id: string; status: string }[])];
            expect(ends.map(({ id }) => id).sort()).toEqual(rows.map(({ id }) => id).sort());
            const count = (status: string): number => ends.filter((end) => end.status === status).length;
            const { counts } = one.draft;
            const sum = (sums: unknown): number =>
              Object.values(sums as Record<string, number>).reduce((a, b) => a + b, 0);
            expect(counts.read).toBe(rows.length);
            expect(counts.done).toBe(count("done"));
            expect(sum(counts.partial)).toBe(count("partial"));
            expect(counts.failed).toBe(count("failed"));
            expect(sum(counts.rejected)).toBe(count("rejected") + count("failed"));
            expect(counts.kept).toBe(count("done") + count("partial"));
            expect(count("done") + count("partial") + count("rejected") + count("failed")).toBe(rows.length);
            for (const name of Object.keys(kinds) as (keyof typeof kinds)[]) kinds[name] += count(name);
            // Every other row is in input order.
            const order = one.rows.map(({ id }) => Number(id.slice(1)));
            expect(order).toEqual([...order].sort((a, b) => a - b));
          } finally {
            await Promise.all(stubs.map((stub) => stub.close()));
          }
        },
      ),
      { seed: 17, numRuns: 20 },
    );
    // The property would hold in silence if nothing ever went wrong.
    expect(Object.entries(kinds).filter(([, count]) => count === 0)).toEqual([]);
  }, 180_000);
});
