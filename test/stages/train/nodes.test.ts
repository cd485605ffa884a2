/** Training on several machines: options that belong together, what torchrun is told, and two machines on loopback. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { allStages, joinStage, runStage } from "../../../src/pipeline/index.js";
import { parseRendezvous, trainOptionsSchema } from "../../../src/stages/train/options.js";
import { launcherOf } from "../../../src/trainer-process/job.js";
import { draftsmith } from "../../cli/command.js";
import { TINY_GUI } from "../../tokens/reference.js";
import { Workbench } from "../tokenize/workbench.js";
import { trainShards } from "./train-shards.js";

let bench: Workbench;
beforeEach(async () => {
  bench = await Workbench.open();
  vi.stubEnv("GLOO_SOCKET_IFNAME", "lo");
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await bench.close();
});

describe("options", () => {
  const issues = (options: object) => {
    const parsed = trainOptionsSchema.safeParse({ model: "m", ...options });
    return parsed.error?.issues.map(({ path, message }) => `${path.join(".")} ${message}`) ?? [];
  };

  it.each([
    [{ nodeRank: 1 }, "nodeRank is 1, but there is one node"],
    [{ rendezvous: "a:1" }, "rendezvous has no effect with one node"],
    [{ nodes: 2, processes: 8, nodeRank: 2, rendezvous: "a:1" }, "nodeRank is 2; 2 nodes count from 0 to 1"],
    [{ nodes: 2, rendezvous: "a:1" }, "processes is 0, but 2 nodes"],
    [{ nodes: 2, processes: 8 }, "rendezvous is missing"],
    [{ nodes: 2, processes: 8, rendezvous: "node-0" }, "rendezvous is node-0, not HOST:PORT"],
    [{ nodes: 2, processes: 8, rendezvous: "a:70000" }, "not HOST:PORT"],
    [{ nodes: 2, processes: 8, rendezvous: "--help:1 x" }, "not HOST:PORT"],
  ])("%j is refused", (options, message) => {
    expect(issues(options)).toEqual([expect.stringContaining(message)]);
  });

  it("that fit are taken", () => {
    expect(issues({ nodes: 4, processes: 8, nodeRank: 3, rendezvous: "node-0.cluster:29500" })).toEqual([]);
    expect(issues({})).toEqual([]);
    expect(parseRendezvous("[fd00::1]:29500")).toEqual({ host: "fd00::1", port: 29500 });
  });
});

it.each([
  [{}, ""],
  [{ processes: 2 }, "--standalone --log-dir resume/torchrun --nproc-per-node 2"],
  [
    { processes: 8, nodes: { count: 4, rank: 3, host: "node-0", port: 29500 } },
    "--nnodes 4 --node-rank 3 --master-addr node-0 --master-port 29500 --log-dir resume/torchrun --nproc-per-node 8",
  ],
])("torchrun is told %j", (request, args) => {
  const told = launcherOf({ ...request, configFile: "resume/job.json" }).join(" ");
  expect(told).toBe(args === "" ? "" : `-m draftsmith_trainer.parallel.launch ${args}`);
});

it("two machines train what one with two processes trains, and one of them writes", { timeout: 300_000 }, async () => {
  const shards = await trainShards(bench, { train: [60, 70, 50, 64], heldout: [40] }, false);
  const common = {
    model: TINY_GUI,
    draft: { layers: 1, blockSize: 4, intermediateSize: 64 },
    ...{ batchSize: 1, maxSteps: 10, epochs: 9, anchors: 8, device: "cpu", threads: 1 },
  };
  const train = await allStages.load("train");
  const request = (options: object, out: string) => ({
    stage: train,
    options: { ...common, ...options },
    inputs: { shards: shards.path },
    out: join(bench.root, out),
  });
  const together = { nodes: 2, processes: 1, rendezvous: `127.0.0.1:${await freePort()}` };
  const [made, joined, left] = await Promise.all([
    runStage(request({ ...together, nodeRank: 0 }, "first")),
    joinStage(request({ ...together, nodeRank: 1 }, "second")),
    joinStage(request({ ...together, nodeRank: 0 }, "first")),
  ]);
  expect([made.state, joined, left]).toEqual(["done", true, false]);
  expect(existsSync(join(bench.root, "second"))).toBe(false);
  const alone = await runStage(request({ processes: 2 }, "alone"));
  const metrics = (out: string) => readFileSync(join(out, "metrics.jsonl"), "utf8");
  expect(metrics(made.output)).toContain('"loss"');
  expect(metrics(made.output)).toBe(metrics(alone.output));
});

it("a pipeline runs on the machine that writes the output", async () => {
  const shards = await trainShards(bench, { train: [60], heldout: [40] }, false);
  const options = `{model: ${TINY_GUI}, nodes: 2, nodeRank: 1, processes: 1, rendezvous: "127.0.0.1:1"}`;
  const steps = `steps:\n  train: {uses: train, in: {shards: ${shards.path}}, with: ${options}}\n`;
  writeFileSync(join(bench.root, "p.yaml"), `name: p\n${steps}`);
  const { code, stderr } = await draftsmith(bench.root, "run", "p.yaml");
  expect(code).toBe(3);
  expect(stderr).toContain("train has options of a machine that only helps another's run");
});

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
