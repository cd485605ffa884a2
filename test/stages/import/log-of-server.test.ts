/** The log of a real run: the reference server here, SGLang itself in `test/sglang/log.test.ts`. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { HistoryOption } from "../../../src/dialogue/index.js";
import { existingPython, type RunningServer, startServer } from "../../../src/trainer-process/index.js";
import { TINY_GUI } from "../../tokens/reference.js";
import { Workbench } from "../tokenize/workbench.js";
import { loggedRun } from "./logged-run.js";

const python = await existingPython();

describe.skipIf(python === null)("a log of the reference server (skipped without a Python environment)", () => {
  let bench: Workbench;
  let server: RunningServer;
  beforeAll(async () => {
    bench = await Workbench.open();
    server = await startServer({ model: TINY_GUI, threads: 1 });
  }, 240_000);
  afterAll(async () => {
    await server?.stop();
    await bench?.close();
  });

  it.each<HistoryOption>(["all", { lastImages: 1 }])(
    "under %j imports as the generations that regenerate made",
    { timeout: 120_000 },
    async (history) => {
      const run = await loggedRun(bench, { server: server.url, model: TINY_GUI, dialogues: 8, history });
      expect(run.requests).toBeGreaterThan(10);
      expect(run.imported).toEqual(run.regenerated);
      expect(run.promptsEqual).toBe(run.requests);
    },
  );
});
