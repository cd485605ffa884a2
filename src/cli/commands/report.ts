import type { CommandModule } from "yargs";
import { redraw } from "../../pipeline/index.js";

interface ReportArguments {
  path: string;
}

export const command: CommandModule<object, ReportArguments> = {
  command: "report <path>",
  describe: "draw the pages of a report again from its figures",
  builder: (yargs) =>
    yargs.positional("path", {
      type: "string",
      demandOption: true,
      describe: "report.json of regenerate or validate, or the directory that holds it",
    }),
  handler: async ({ path }) => {
    for (const page of await redraw(path, process.cwd())) process.stdout.write(`${page}\n`);
  },
};
