/** Options of every command that reads a pipeline file. */
import type { Argv } from "yargs";
import { wholeNumber } from "./whole-number.js";

export const limitOption = {
  type: "string",
  requiresArg: true,
  coerce: wholeNumber("--limit", 1),
  describe: "only the first N rows",
} as const;

export function workspaceOptions(yargs: Argv<object>) {
  return yargs
    .positional("file", { type: "string", demandOption: true, describe: "the pipeline file" })
    .option("set", {
      type: "string",
      array: true,
      nargs: 1,
      default: [] as string[],
      describe: "override a value of the file: vars.NAME=VALUE, steps.NAME.with.OPTION=VALUE; may be repeated",
    })
    .option("workspace", { type: "string", requiresArg: true, describe: "directory for results; default: runs/NAME" })
    .option("limit", limitOption);
}
