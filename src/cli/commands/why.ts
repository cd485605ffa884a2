import type { CommandModule } from "yargs";
import { stringifyJson } from "../../base/index.js";
import { formatWhy, whyStep } from "../../pipeline/index.js";
import { workspaceOptions } from "../workspace-options.js";

interface WhyArguments {
  file: string;
  step: string;
  set: string[];
  workspace: string | undefined;
  limit: number | undefined;
  json: boolean;
}

export const command: CommandModule<object, WhyArguments> = {
  command: "why <file> <step>",
  describe: "explain why a step would run again: what changed since it finished",
  builder: (yargs) =>
    workspaceOptions(yargs)
      .positional("step", { type: "string", demandOption: true, describe: "the step" })
      .option("json", { type: "boolean", default: false, describe: "print JSON" }),
  handler: async ({ json, ...options }) => {
    const answers = await whyStep(options);
    process.stdout.write(`${json ? stringifyJson(answers) : formatWhy(answers)}\n`);
  },
};
