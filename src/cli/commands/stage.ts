/** Every stage as a command, derived from its schema. */
import type { CommandModule } from "yargs";
import { EventFile, makeReporter, tee } from "../../events/index.js";
import { allStages, dryRunStage, joinStage, runStage } from "../../pipeline/index.js";
import type { InputSpec } from "../../stages/stage.js";
import { listenForInterrupt } from "../interrupt.js";
import { mergeOptions, parseInputs, readOptionsFile } from "../stage-arguments.js";
import { readFlags, stageFlags } from "../stage-flags.js";
import { limitOption } from "../workspace-options.js";

interface StageArguments {
  out: string | undefined;
  in: string[];
  options: string | undefined;
  limit: number | undefined;
  force: boolean;
  json: boolean;
  events: string | undefined;
  "dry-run": boolean;
}

export async function stageCommand(name: string): Promise<CommandModule<object, StageArguments>> {
  const stage = await allStages.load(name);
  const flags = stageFlags(stage);
  const inputs = Object.entries(stage.inputs as Record<string, InputSpec>);
  return {
    command: name,
    describe: stage.summary,
    builder: (yargs) => {
      // The stage's schema knows their types, the compiler does not.
      yargs.options(Object.fromEntries(flags.map((flag) => [flag.name, flag.yargs])));
      return yargs
        .option("out", {
          type: "string",
          requiresArg: true,
          describe: `directory for the output (${stage.output})${stage.report === undefined ? " [required]" : "; left out, the report is only printed"}`,
        })
        .option("in", {
          type: "string",
          array: true,
          nargs: 1,
          default: [] as string[],
          describe: `input as NAME=DIRECTORY${inputs.map(([input, { kind, optional, description }]) => `\n${input}: ${description} (${[kind].flat().join(" or ")}${optional === true ? ", may be left out" : ""})`).join("")}`,
        })
        .option("options", { type: "string", requiresArg: true, describe: "YAML file with options; flags win over it" })
        .option("limit", limitOption)
        .option("force", {
          type: "boolean",
          default: false,
          describe: "replace an output that was made from something else",
        })
        .option("dry-run", {
          type: "boolean",
          default: false,
          describe: "check options and inputs and say what it would cost; start and write nothing",
        })
        .option("json", { type: "boolean", default: false, describe: "print events as JSON lines" })
        .option("events", {
          type: "string",
          requiresArg: true,
          describe: "file to append events to, as JSON lines",
        })
        .parserConfiguration({
          "dot-notation": false,
          "camel-case-expansion": false,
        });
    },
    handler: async (argv) => {
      const given = readFlags(flags, { ...argv });
      const fromFile = argv.options === undefined ? {} : await readOptionsFile(argv.options, stage);
      const request = {
        stage,
        options: mergeOptions(fromFile, given),
        inputs: parseInputs(argv.in),
        limit: argv.limit,
      };
      if (argv["dry-run"]) {
        process.stdout.write(`${(await dryRunStage(request)).join("\n")}\n`);
        return;
      }
      const interrupt = listenForInterrupt();
      const reporter = makeReporter({ json: argv.json, stream: process.stdout });
      let file: EventFile | undefined;
      try {
        file = argv.events === undefined ? undefined : new EventFile(argv.events, "events");
        const call = {
          ...request,
          out: argv.out,
          force: argv.force,
          events: file === undefined ? reporter : tee(file, reporter),
          signal: interrupt.signal,
          ...(argv.json ? {} : { onReport: (text: string) => void process.stdout.write(text) }),
        };
        if (await joinStage(call)) return;
        const { output, state } = await runStage(call);
        if (!argv.json && argv.out !== undefined)
          process.stdout.write(`${state === "cached" ? "unchanged" : "made"}: ${output}\n`);
      } finally {
        file?.close();
        reporter.close();
        interrupt.release();
      }
    },
  };
}
