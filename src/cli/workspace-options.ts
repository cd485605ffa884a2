/** What every command that reads a pipeline file takes. */
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
      describe: "change a value of the file: vars.NAME=VALUE, steps.NAME.with.OPTION=VALUE; may be repeated",
    })
    .option("workspace", { type: "string", requiresArg: true, describe: "where results lie; default: runs/NAME" })
    .option("limit", limitOption);
}

/** yargs itself turns `abc` into NaN and says nothing. */
function wholeNumber(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new DraftsmithError("USAGE", `--limit ${text} is not a whole number above 0`);
}
