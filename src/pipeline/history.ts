/** The record of one run: resolved config, versions, events, manifests and timings, in a directory of its own. */
import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { cpus, platform, release, totalmem } from "node:os";
import { join } from "node:path";
import type { Manifest } from "../artifacts/index.js";
import { fromErrno, hideSecretsIn, stringifyJson, VERSION } from "../base/index.js";
import { EventFile } from "../events/index.js";
import type { Plan } from "./plan-types.js";
import { workspacePaths } from "./workspace.js";

export class History {
  readonly directory: string;
  /** Services and the trainer log here. */
  readonly logs: string;
  readonly events: EventFile;

  private constructor(directory: string) {
    this.directory = directory;
    this.logs = join(directory, "logs");
    this.events = new EventFile(join(directory, "events.jsonl"));
  }

  static async start(plan: Plan, settings: object): Promise<History> {
    // Sorts by time; the digits at the end keep two runs of one second apart.
    const stamp = new Date().toISOString().slice(0, 19).replaceAll(":", "-");
    const directory = join(workspacePaths.history(plan.workspace), `${stamp}-${randomBytes(2).toString("hex")}`);
    try {
      await mkdir(join(directory, "logs"), { recursive: true });
      await mkdir(join(directory, "manifests"));
      await writeFile(join(directory, "pipeline.yaml"), plan.source.publicText);
      await writeJson(join(directory, "resolved.json"), hideSecretsIn(resolved(plan, settings)));
      await writeJson(join(directory, "versions.json"), {
        draftsmith: VERSION,
        node: process.versions.node,
        platform: `${platform()} ${release()} ${process.arch}`,
        cpus: cpus().length,
        memoryBytes: totalmem(),
      });
      return new History(directory);
    } catch (error) {
      throw fromErrno(error, directory, { use: "write" });
    }
  }

  async manifest(step: string, manifest: Manifest): Promise<void> {
    await writeJson(join(this.directory, "manifests", `${step}.json`), manifest);
  }

  /** Where a step may put a report of its run; not made yet. */
  reportDirectory(step: string): string {
    return join(this.directory, "reports", step);
  }

  async finish(record: object): Promise<void> {
    this.events.close();
    await writeJson(join(this.directory, "run.json"), hideSecretsIn(record));
  }
}

function resolved(plan: Plan, settings: object): object {
  return {
    name: plan.name,
    file: plan.file,
    settings,
    variables: plan.variables,
    services: Object.fromEntries(
      plan.services.map(({ name, type, options }) => [name, { uses: type.name, with: options }]),
    ),
    steps: Object.fromEntries(
      plan.steps.map(({ name, stage, inputs, options, matrix, after, services }) => [
        name,
        { uses: stage.name, codeVersion: stage.codeVersion, in: inputs, with: options, matrix, after, services },
      ]),
    ),
  };
}

async function writeJson(file: string, value: unknown): Promise<void> {
  try {
    await writeFile(file, `${stringifyJson(value, 2)}\n`);
  } catch (error) {
    throw fromErrno(error, file, { use: "write" });
  }
}
