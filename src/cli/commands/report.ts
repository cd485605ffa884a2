import { resolve } from "node:path";
import type { CommandModule } from "yargs";
import { compareRuns, redraw } from "../../pipeline/index.js";

interface ReportArguments {
  path: string;
  other: string | undefined;
  out: string;
}

export const command: CommandModule<object, ReportArguments> = {
  command: "report <path> [other]",
  describe: "draw the page of a run, of a stage's figures, or of two runs side by side",
  builder: (yargs) =>
    yargs
      .positional("path", {
        type: "string",
        demandOption: true,
        describe: "a workspace (its last run), a run in its history/, or figures that a stage wrote (report.json)",
      })
      .positional("other", { type: "string", describe: "another run or workspace, to put beside the first" })
      .option("out", { type: "string", default: "comparison.html", describe: "the page with both runs" })
      .example("$0 report runs/quickstart", "the last run of this workspace")
      .example("$0 report runs/one runs/other", "their last runs side by side"),
  handler: async ({ path, other, out }) => {
    const cwd = process.cwd();
    const pages =
      other === undefined
        ? await redraw(path, cwd)
        : [await compareRuns([resolve(cwd, path), resolve(cwd, other)], resolve(cwd, out))];
    for (const page of pages) process.stdout.write(`${page}\n`);
  },
};
