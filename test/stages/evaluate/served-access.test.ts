/** The server with the draft may want an API key. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openRowsWriter } from "../../../src/artifacts/index.js";
import { apiKeyHeaders } from "../../../src/base/index.js";
import { evaluateOptionsSchema } from "../../../src/stages/evaluate/options.js";
import { runEvaluate } from "../../../src/stages/evaluate/run.js";
import { evaluateServed } from "../../../src/stages/evaluate/served.js";
import type { StageContext } from "../../../src/stages/stage.js";
import { scratchDirectory } from "../../scratch/scratch.js";
import { closingStubs } from "../../sglang-client/closing-stubs.js";
import { METADATA, makeRows } from "../shard/world.js";
import { Workbench } from "../tokenize/workbench.js";

const KEY = "DRAFTSMITH_TEST_KEY";
const { stubOf } = closingStubs();

let shards: string;
beforeEach(async () => {
  shards = scratchDirectory("served");
  const writer = await openRowsWriter(join(shards, "heldout-00000-of-00001.arrow"), METADATA);
  const size = { dialogues: 2, images: 0, rowsPerFile: 50, tokens: 30, imageBytes: 200 };
  for (const row of makeRows(size, ["a".repeat(64)]))
    await writer.append({ ...row, imageHashes: [], imageGridThw: new Int32Array(0) });
  await writer.close();
});
afterEach(async () => {
  delete process.env[KEY];
  await rm(shards, { recursive: true, force: true });
});

const context = (): StageContext => ({
  step: "evaluate",
  events: { emit: () => undefined },
  signal: new AbortController().signal,
  workDir: shards,
  resumeDir: shards,
  limit: undefined,
});

function served(server: string, apiKeyEnv: string | undefined) {
  const options = evaluateOptionsSchema.parse({
    model: "m",
    server,
    ...(apiKeyEnv === undefined ? {} : { apiKeyEnv }),
  });
  const headers = apiKeyHeaders(apiKeyEnv);
  return evaluateServed({ server, headers, shards, imagePadId: 99, stopTokenIds: [], options, context: context() });
}

it.each([
  [undefined, "name that variable in apiKeyEnv"],
  ["wrong-key", `refuses the key in the environment variable ${KEY} (apiKeyEnv)`],
])("and says what to do where it is refused (key: %s)", async (key, hint) => {
  const stub = await stubOf({ apiKey: "right-key" });
  if (key !== undefined) process.env[KEY] = key;
  await expect(served(stub.url, key === undefined ? undefined : KEY)).rejects.toMatchObject({
    code: "SERVER_REFUSED",
    message: expect.stringContaining("HTTP 401"),
    hint: expect.stringContaining(hint),
  });
});

it("and gets it with every question", async () => {
  const stub = await stubOf({ apiKey: "right-key" });
  process.env[KEY] = "right-key";
  // The stub serves no draft: it answered, and that is what it lacks.
  await expect(served(stub.url, KEY)).rejects.toMatchObject({ message: expect.stringContaining("speculative steps") });
  expect(stub.requests).toHaveLength(3);
});

it("whose variable is asked for before the trainer's work begins", async () => {
  const options = evaluateOptionsSchema.parse({
    model: join(shards, "no-such-model"),
    server: "http://127.0.0.1:9",
    apiKeyEnv: "DRAFTSMITH_TEST_NO_SUCH_KEY",
  });
  const bench = await Workbench.open();
  try {
    const input = await bench.artifact("shards", []);
    await expect(
      runEvaluate(options, { shards: input, draft: input, checkpoints: undefined, other: undefined }, context()),
    ).rejects.toMatchObject({ code: "OPTIONS_INVALID", location: { field: "apiKeyEnv" } });
  } finally {
    await bench.close();
  }
});
