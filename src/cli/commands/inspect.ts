import type { CommandModule } from "yargs";
import { inspect } from "../../inspect/index.js";
import { limitOption } from "../workspace-options.js";

interface InspectArguments {
  path: string;
  row: string | undefined;
  image: boolean;
  out: string;
  model: string | undefined;
  limit: number | undefined;
  json: boolean;
}

const LISTED = 20;

export const command: CommandModule<object, InspectArguments> = {
  command: "inspect <path>",
  describe: "print rows of shards with their tokens, masks and types, and write their images",
  builder: (yargs) =>
    yargs
      .positional("path", {
        type: "string",
        demandOption: true,
        describe: "Arrow file of rows, rows or shards directory, or the directory of a pipeline's runs",
      })
      .option("row", {
        type: "string",
        requiresArg: true,
        describe: "dialogue id, or DIALOGUE/NUMBER for one of its rows; left out, rows are listed",
      })
      .option("image", { type: "boolean", default: false, describe: "write the images of the row as PNG files" })
      .option("out", {
        type: "string",
        requiresArg: true,
        default: "inspected",
        describe: "directory for the images",
      })
      .option("model", {
        type: "string",
        requiresArg: true,
        describe: "model directory for the text of tokens [default: the one the rows were made with, if it is there]",
      })
      .option("limit", { ...limitOption, describe: `rows that are listed [default: ${LISTED}]` })
      .option("json", { type: "boolean", default: false, describe: "print rows as JSON lines" }),
  handler: async ({ path, row, image, out, model, limit, json }) => {
    const request = { path, row, images: image ? out : undefined, model, limit: limit ?? LISTED, json };
    for await (const line of inspect(request)) process.stdout.write(`${line}\n`);
  },
};
