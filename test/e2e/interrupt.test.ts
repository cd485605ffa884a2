/** Ctrl-C: the first drains, the second ends at once; after either the same command goes on without loss. */
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ERROR_CODES } from "../../src/base/index.js";
import { closingStubs } from "../sglang-client/closing-stubs.js";
import { PROBE_REQUESTS, type Stub } from "../sglang-client/stub-server.js";
import { dialogues, temporaryDirectory } from "../stages/regenerate/harness.js";
import { sealedDialogues } from "../stages/regenerate/sealed.js";
import { run, start } from "./cli.js";

const COUNT = 40;
const PROBES = PROBE_REQUESTS;
const { stubOf } = closingStubs();

async function prepare(delayMs: number): Promise<{ stub: Stub; args: (out: string) => string[] }> {
  const stub = await stubOf({ delayMs: () => delayMs });
  const root = await temporaryDirectory();
  await sealedDialogues(join(root, "dialogues"), dialogues(COUNT));
  const args = (out: string): string[] => [
    ...["regenerate", "--in", `dialogues=${join(root, "dialogues")}`, "--out", join(root, out)],
    ...["--servers", stub.url, "--concurrency", "4", "--json"],
  ];
  return { stub, args };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

const countsOf = (finished: Awaited<ReturnType<typeof run>>): Record<string, unknown> => {
  const event = finished.events.find((one) => one.type === "step-finished");
  return event?.counts ?? {};
};

describe("Ctrl-C", () => {
  it("once: no new questions, answers in flight are kept, and the next run asks only the rest", async () => {
    const { stub, args } = await prepare(150);
    const running = start(args("out"));
    await until(() => stub.requests.length >= 12);
    running.kill("SIGINT");
    const { code, stderr } = await running.finished;
    expect(code).toBe(ERROR_CODES.INTERRUPTED.exit);
    expect(stderr).toContain("stopping: work in flight is being saved");
    const asked = stub.requests.length;
    // Between the signal and its arrival each of the four conversations may have asked once more.
    expect(asked).toBeLessThanOrEqual(12 + 2 * 4);
    const again = await run(args("out"));
    expect(again.code).toBe(0);
    const { turns } = countsOf(again);
    expect(stub.requests.length).toBe(Number(turns) + 2 * PROBES);
  }, 60_000);

  it("twice: ends at once although servers hang, and the journal is whole", async () => {
    const { stub, args } = await prepare(10);
    stub.options.fault = (n) => (n > 20 ? "hang" : undefined);
    const running = start(args("out"));
    await until(() => stub.requests.length >= 25);
    running.kill("SIGINT");
    // It waits for the answers that do not come.
    const early = await Promise.race([
      running.finished.then(() => "ended"),
      new Promise<string>((resolve) => setTimeout(() => resolve("waiting"), 1500)),
    ]);
    expect(early).toBe("waiting");
    running.kill("SIGINT");
    const { code } = await running.finished;
    expect(code).toBe(ERROR_CODES.INTERRUPTED.exit);
    const asked = stub.requests.length;
    stub.options.fault = undefined;
    const again = await run(args("out"));
    expect(again.code).toBe(0);
    const turns = Number(countsOf(again).turns);
    // Only the four that hung are asked again.
    expect(stub.requests.length - asked).toBeLessThanOrEqual(turns - (asked - PROBES - 4) + PROBES);
    const undisturbed = await run(args("undisturbed"));
    expect(countsOf(again)).toEqual(countsOf(undisturbed));
  }, 60_000);
});
