import type { CommandModule } from "yargs";
import { ERROR_CODES, EXIT_BUG } from "../../base/index.js";

export const command: CommandModule<object, { json: boolean }> = {
  command: "errors",
  describe: "list the error codes and exit codes",
  builder: (yargs) => yargs.option("json", { type: "boolean", default: false, describe: "print JSON" }),
  handler: ({ json }) => {
    const rows = Object.entries(ERROR_CODES).map(([code, { exit, meaning }]) => ({
      code,
      exit: exit as number,
      meaning: meaning as string,
    }));
    const all = [
      ...rows,
      { code: "(bug)", exit: EXIT_BUG, meaning: "an unexpected exception, printed with its stack" },
    ];
    if (json) process.stdout.write(`${JSON.stringify(all)}\n`);
    else
      for (const { code, exit, meaning } of all)
        process.stdout.write(`${code.padEnd(20)} exit ${String(exit).padEnd(4)} ${meaning}\n`);
  },
};
