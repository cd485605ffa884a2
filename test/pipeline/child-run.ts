/** A run of small stages in a process of its own, for tests that kill it. Arguments: directory, delay before start. */
import { listenForInterrupt } from "../../src/cli/interrupt.js";
import { runPipeline } from "../../src/pipeline/index.js";
import { smallServices, smallStages } from "./small-stages.js";

const [directory = ".", ...set] = process.argv.slice(2);
const interrupt = listenForInterrupt();
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const events = {
  emit: (event: { type: string; step?: string; done?: number; state?: string }) =>
    say([event.type, event.step ?? event.state ?? "", event.done ?? ""].join(" ").trim()),
};
const { outcome, error } = await runPipeline({
  file: "p.yaml",
  cwd: directory,
  workspace: "ws",
  set,
  stages: smallStages,
  services: smallServices,
  events,
  signal: interrupt.signal,
  onKillable: interrupt.onKillable,
});
say(`outcome ${outcome}`);
process.exitCode = outcome === "interrupted" ? 130 : error === undefined ? 0 : 1;
interrupt.release();
