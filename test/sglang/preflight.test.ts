/** What a draft depends on beside prompts, against the real SGLang: precision and hidden states, equal and not. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { run } from "../e2e/cli.js";
import { scratchDirectory } from "../scratch/scratch.js";
import { otherModel } from "../stages/validate/other-server.js";
import { type RealServer, startRealServer } from "./real-server.js";
import { MODEL } from "./target.js";

/** Real rows of the embedded target with their pictures. */
const SHARDS = join(import.meta.dirname, "..", "stages", "shard", "old_shards");
const LAYERS = [3, 5, 6];

function validate(server: string, model: string, ...more: string[]) {
  // A validation that fails keeps its report, also where no output was named.
  const out = join(scratchDirectory("preflight"), "out");
  return run([
    "validate",
    "--out",
    out,
    "--server",
    server,
    "--model",
    model,
    "--in",
    `shards=${SHARDS}`,
    "--keep-going",
    ...more,
  ]);
}

test("the precision of the model's own server is the snapshot's", async () => {
  const { code, stdout, stderr } = await validate(inject("plainServer"), MODEL);
  expect(code, stderr).toBe(0);
  expect(stdout).toMatch(/^precision +ok /m);
});

describe("a server in bfloat16", () => {
  let server: RealServer;
  let model: string;
  beforeAll(async () => {
    // A snapshot that says float32: serving it in bfloat16 rounds its weights.
    const dtype = ['"dtype": "bfloat16"', '"dtype": "float32"'] as const;
    const changes = [["config.json", ...dtype] as const, ["config.json", ...dtype] as const];
    model = await otherModel(scratchDirectory("preflight"), changes, true);
    server = await startRealServer({ model, hiddenStates: LAYERS, more: ["--dtype", "bfloat16"] });
  });
  afterAll(() => server?.stop());

  test("is caught by its settings", async () => {
    const { code, stderr } = await validate(server.url, model);
    expect(code).toBe(10);
    expect(stderr).toContain("the server computes in bfloat16, which rounds the float32 weights");
  });

  test("and by its states, where no difference is accepted", async () => {
    const strict = ["--states", "--states-tolerance", "0.0001", "--allow-precision", "dtype"];
    const { code, stderr } = await validate(server.url, model, ...strict);
    expect(code).toBe(10);
    expect(stderr).toMatch(/the states that the server returns for layer \d differ from the captured ones by/);
  });
});

describe("a server that returns hidden states", () => {
  let server: RealServer;
  beforeAll(async () => {
    server = await startRealServer({ model: MODEL, hiddenStates: LAYERS });
  });
  afterAll(() => server?.stop());

  test("computes those that training captures, with pictures", async () => {
    const { code, stdout, stderr } = await validate(server.url, MODEL, "--states");
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^hidden-states +ok /m);
  });
});

test("a server that returns none is named", async () => {
  const { code, stderr } = await validate(inject("plainServer"), MODEL, "--states");
  expect(code).toBe(8);
  expect(stderr).toContain("--enable-return-aux-hidden-states");
});
