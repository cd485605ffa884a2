import type { CommandModule } from "yargs";
import { drawGraph, GRAPH_FORMATS, type GraphFormat, planPipeline } from "../../pipeline/index.js";
import { workspaceOptions } from "../workspace-options.js";

interface GraphArguments {
  file: string;
  set: string[];
  workspace: string | undefined;
  format: GraphFormat;
}

export const command: CommandModule<object, GraphArguments> = {
  command: "graph <file>",
  describe: "show the steps of a pipeline and their dependencies",
  builder: (yargs) =>
    workspaceOptions(yargs).option("format", {
      choices: GRAPH_FORMATS,
      default: "text" as const,
      describe: "text, or a drawing language",
    }),
  handler: async ({ file, set, workspace, format }) => {
    const plan = await planPipeline({ file, set, workspace });
    process.stdout.write(`${drawGraph(plan, format)}\n`);
  },
};
