/** Options of every command that reads a pipeline file. */
import type { Argv } from "yargs";
import { DraftsmithError } from "../base/index.js";

export const limitOption = {
  type: "string",
  requiresArg: true,
  coerce: wholeNumber,
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

/** yargs itself turns `abc` into NaN without an error. */
function wholeNumber(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new DraftsmithError("USAGE", `--limit ${text} is not a whole number above 0`);
}
