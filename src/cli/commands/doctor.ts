import type { CommandModule } from "yargs";
import { defined } from "../../base/index.js";
import { formatDoctorReport } from "../doctor-text.js";

interface DoctorArguments {
  server: string[];
  "api-key-env": string | undefined;
  workspace: string | undefined;
  python: string | undefined;
  json: boolean;
}

export const command: CommandModule<object, DoctorArguments> = {
  command: "doctor",
  describe: "check the environment: what is present, what is missing, what to do about it",
  builder: (yargs) =>
    yargs
      .option("server", {
        type: "string",
        array: true,
        requiresArg: true,
        default: [] as string[],
        describe: "also check this server; may be repeated",
      })
      .option("api-key-env", {
        type: "string",
        requiresArg: true,
        describe: "environment variable that holds those servers' API key",
      })
      .option("workspace", { type: "string", requiresArg: true, describe: "where a run would write" })
      .option("python", { type: "string", requiresArg: true, describe: "check this Python" })
      .option("json", { type: "boolean", default: false, describe: "print JSON" }),
  handler: async ({ server, "api-key-env": apiKeyEnv, workspace, python, json }) => {
    const { runDoctor } = await import("../../trainer-process/index.js");
    const report = await runDoctor({ servers: server, apiKeyEnv, python, ...defined({ workspace }) });
    process.stdout.write(`${json ? JSON.stringify(report) : formatDoctorReport(report)}\n`);
    if (!report.healthy) process.exitCode = 11;
  },
};
