/** Runs the stage in a process of its own, for tests that kill it: `child.ts '{"root", "servers", "workDir", "resumeDir"}'`. */
import { mkdir, rm } from "node:fs/promises";
import { stage } from "../../../../src/stages/regenerate/index.js";
import { manifestOf } from "../harness.js";

interface Order {
  root: string;
  count: number;
  workDir: string;
  resumeDir: string;
  options: Record<string, unknown>;
}

const order = JSON.parse(process.argv[2] ?? "{}") as Order;
// As the pipeline does: a work directory starts empty, whatever a killed run left in it.
await rm(order.workDir, { recursive: true, force: true });
await mkdir(order.workDir, { recursive: true });
process.stdout.write("started\n");
await stage.run(
  stage.options.parse(order.options),
  { dialogues: { path: order.root, manifest: manifestOf(order.count) }, earlier: undefined },
  {
    step: "regenerate",
    events: { emit: () => undefined },
    signal: new AbortController().signal,
    workDir: order.workDir,
    resumeDir: order.resumeDir,
    limit: undefined,
  },
);
process.stdout.write("finished\n");
