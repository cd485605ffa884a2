import type { CommandModule } from "yargs";
import { shellWord } from "../../base/index.js";
import { makeReporter } from "../../events/index.js";
import { dryRun, formatDryRun, refusalOf, runPipeline } from "../../pipeline/index.js";
import { listenForInterrupt } from "../interrupt.js";
import { workspaceOptions } from "../workspace-options.js";

interface RunArguments {
  file: string;
  "dry-run": boolean;
  from: string | undefined;
  until: string | undefined;
  force: string[];
  set: string[];
  limit: number | undefined;
  workspace: string | undefined;
  json: boolean;
  verify: boolean;
}

export const command: CommandModule<object, RunArguments> = {
  command: "run <file>",
  describe: "run a pipeline: every step that is not up to date",
  builder: (yargs) =>
    workspaceOptions(yargs)
      .option("dry-run", {
        type: "boolean",
        default: false,
        describe: "print what would run and why; start and write nothing",
      })
      .option("from", {
        type: "string",
        requiresArg: true,
        describe: "use the outputs of earlier steps as they are, up to date or not",
      })
      .option("until", { type: "string", requiresArg: true, describe: "stop after this step" })
      .option("force", {
        type: "string",
        array: true,
        requiresArg: true,
        default: [],
        describe: "run this step even when it is up to date; may be repeated",
      })
      .option("verify", { type: "boolean", default: false, describe: "read the output of every cached step again" })
      .option("json", { type: "boolean", default: false, describe: "print events as JSON lines" })
      .example("$0 run pipelines/quickstart.yaml --dry-run", "what would happen")
      .example("$0 run p.yaml --set steps.train.with.epochs=2", "with another option"),
  handler: async ({ file, set, workspace, limit, from, until, force, verify, json, "dry-run": dry }) => {
    const options = { file, set, workspace, limit, from, until, force, verify };
    if (dry) {
      const result = await dryRun(options);
      process.stdout.write(`${json ? JSON.stringify(result) : formatDryRun(result)}\n`);
      const refusal = refusalOf(result);
      if (refusal !== undefined) throw refusal;
      return;
    }
    const interrupt = listenForInterrupt();
    const events = makeReporter({ json, stream: process.stdout });
    try {
      const { signal, onKillable } = interrupt;
      const { error, directory, report, rows } = await runPipeline({ ...options, events, signal, onKillable });
      if (!json) process.stdout.write(`record of this run: ${directory}\n`);
      if (!json && report !== undefined) process.stdout.write(`report: ${report}\n`);
      if (!json && rows !== undefined) process.stdout.write(`rows: draftsmith inspect ${shellWord(rows)}\n`);
      if (error !== undefined) throw error;
    } finally {
      events.close();
      interrupt.release();
    }
  },
};
