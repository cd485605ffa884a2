import type { CommandModule } from "yargs";
import { exportSchemas, writeSchemas } from "../../pipeline/index.js";
import { schemaNamed } from "../schema-names.js";

interface SchemaArguments {
  name: string;
  write: string | undefined;
}

export const command: CommandModule<object, SchemaArguments> = {
  command: "schema [name]",
  describe: "print the JSON Schema of pipeline files or of a stage's options",
  builder: (yargs) =>
    yargs
      .positional("name", { type: "string", default: "pipeline", describe: "pipeline, or the name of a stage" })
      .option("write", {
        type: "string",
        requiresArg: true,
        describe: "write all schemas into this directory instead",
      }),
  handler: async ({ name, write }) => {
    if (write === undefined) {
      process.stdout.write(`${JSON.stringify(schemaNamed(name, await exportSchemas()), null, 2)}\n`);
      return;
    }
    for (const file of await writeSchemas(write)) process.stdout.write(`${file}\n`);
  },
};
